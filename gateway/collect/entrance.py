"""The way in for what an operator's own server tells: bounded as everything is, and counted against its key."""

from collections.abc import Sequence

import msgspec

from domain.consent import Statements
from domain.errors import Refused
from domain.event import CallType
from domain.key import Principal
from domain.outcome import Result
from domain.pace import Quota
from gateway.collect.collector import Collector
from gateway.collect.decode import Envelope
from gateway.collect.intake import Intake
from gateway.collect.limit import EventLimit
from gateway.collect.tally import Tally


class Entrance:
    """Takes calls in the name of a secret key."""

    def __init__(self, collector: Collector, intake: Intake, limit: EventLimit, tally: Tally) -> None:
        self._collector = collector
        self._intake = intake
        self._limit = limit
        self._tally = tally

    async def take(
        self,
        principal: Principal,
        calls: Sequence[bytes],
        call_type: CallType | None = None,
        declared: tuple[Statements, ...] = (),
    ) -> tuple[list[Result], Quota]:
        """Collect calls, each a JSON object; give the outcome of each, and what the key may still send.

        `declared` is what the operator answers for. Raises `Refused` for an end user, without room and for a key that
        is too fast, and as `Collector.collect` does.
        """
        if principal.key_id is None:
            raise Refused(code="wrong_kind_of_key")
        with self._intake.enter(), self._tally.refusing(len(calls)):
            quota = await self._limit.admit(principal.key_id, len(calls), principal.pace)
            envelope = Envelope(batch=[msgspec.Raw(each) for each in calls])
            results = await self._collector.collect(
                principal.workspace, envelope, call_type=call_type, declared=declared
            )
            self._tally.tell(results)
        return results, quota
