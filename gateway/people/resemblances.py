"""Which people of one file may be one, told while their values are in hand, and put up for somebody to look at."""

from collections.abc import Iterator
from itertools import islice
from typing import Final
from uuid import UUID, uuid4

import msgspec

from domain.clock import Clock
from gateway.collect.batch import Item
from gateway.workspace import Workspace
from privacy.likeness import Likeness, values_of
from privacy.resemblance import alike_values
from stores.likeness import may_be_asked, put_up
from stores.postgres import Database

_AT_ONCE: Final = 500


class Resemblance(msgspec.Struct, frozen=True):
    """Two rows, by their lines, that may be one person."""

    line: int
    other_line: int
    likeness: Likeness


class Resemblances:
    """Holds names, birth dates and postcodes for as long as a file is read, as far as consent lets them be used."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._lines: list[int] = []
        self._subjects: list[UUID] = []
        self._values: list[dict[str, str]] = []

    def add(self, line: int, item: Item) -> None:
        """Take in a row that has become known, as the event that it was made to."""
        call, verdict, subject = item.call, item.verdict, item.subject
        if call is None or verdict is None or subject is None:
            return
        values = values_of(call.traits, self._workspace.plan.program(call, verdict.purposes).traits)
        if "name" in values and len(values) > 1:
            self._lines.append(line)
            self._subjects.append(subject.id)
            self._values.append(values)

    async def put_up(self, database: Database, clock: Clock) -> list[Resemblance]:
        """Put up every pair that is as much alike as the workspace asks for; return them, the most alike first.

        Left out are people who are one already, whoever objects, and what is decided. Raises `StoreUnavailable`.
        """
        found: list[Resemblance] = []
        rules, id_ = self._workspace.rules, self._workspace.id
        pairs = self._pairs(min(rules.review, rules.merge))
        while some := list(islice(pairs, _AT_ONCE)):
            async with database.workspace(id_) as connection, connection.transaction():
                asked = await may_be_asked(connection, id_, [pair for pair, _ in some])
                for pair, each in some:
                    if pair in asked and await put_up(
                        connection,
                        id_,
                        pair,
                        id_=uuid4(),
                        score=each.likeness.score,
                        scores=each.likeness.fields,
                        at=clock(),
                    ):
                        found.append(each)
        return sorted(found, key=lambda each: (-each.likeness.score, each.line, each.other_line))

    def _pairs(self, least: float) -> Iterator[tuple[tuple[UUID, UUID], Resemblance]]:
        for one, other, likeness in alike_values(self._values, least):
            pair = self._subjects[one], self._subjects[other]
            if pair[0] != pair[1]:
                yield pair, Resemblance(self._lines[one], self._lines[other], likeness)
