"""A desk that is killed in the middle of a step: `dying_desk.py <step>`, its settings from the environment."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping

from domain.request import RequestKind
from gateway.desk import open_office
from gateway.settings import read_settings
from profiles.rights.case import Act, Case, Counts


def deadly(act: Act) -> Act:
    async def die(case: Case) -> Counts | None:
        await act(case)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    return die


async def main(name: str) -> None:
    async with open_office(read_settings()) as office:
        procedures = dict(office.desk._procedures)
        steps: Mapping[str, Act] = dict(procedures[RequestKind.ERASE])
        procedures[RequestKind.ERASE] = [(each, deadly(act) if each == name else act) for each, act in steps.items()]
        office.desk._procedures = procedures
        while True:
            await office.desk.work()
            await asyncio.sleep(0.05)


asyncio.run(main(sys.argv[1]))
