"""A crowd of clients that keeps a ledger: of every message id, what it was answered and whose it is."""

import asyncio
import itertools
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import aiohttp

from tests.fixtures.stack import Stack

PEOPLE: Final = 40
_CONSENT: Final = {"consent": {"categoryPreferences": {"analytics": True, "personalization": True}}}
_ANSWER_WITHIN: Final = 20.0
_SHOWN: Final = 160
_NEWCOMERS: Final = 0.1
"""The share of batches before which somebody goes and another comes, whom the product has never seen."""
_PATIENT: Final = 0.8
"""The share of batches that are sent until they are acknowledged; others are given up at the first refusal."""


class Answer(StrEnum):
    """The best that a message was answered."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    """429 or 503, with a time to come again."""
    SILENCE = "silence"
    """The connection broke: nobody knows."""
    FAULTY = "faulty"
    """Anything else, which no client is prepared for."""


@dataclass
class Ledger:
    """What was answered. An acknowledgement is never taken back."""

    answers: dict[str, Answer] = field(default_factory=dict)
    person: dict[str, str] = field(default_factory=dict)
    sendings: Counter[Answer] = field(default_factory=Counter)
    """How many batches were answered so."""
    surprises: Counter[str] = field(default_factory=Counter)
    """The answers that nobody is prepared for, cut off, and how often each came."""
    longest_wait: float = 0.0

    def note(self, batch: list[dict[str, Any]], answer: Answer, waited: float) -> None:
        self.sendings[answer] += 1
        self.longest_wait = max(self.longest_wait, waited)
        for event in batch:
            id_ = event["messageId"]
            self.person[id_] = event["userId"]
            if self.answers.get(id_) is not Answer.ACKNOWLEDGED:
                self.answers[id_] = answer

    def of(self, answer: Answer) -> set[str]:
        return {id_ for id_, each in self.answers.items() if each is answer}


class Crowd:
    """Clients that send side by side. Each person is one client's, so their events come in order."""

    def __init__(self, stack: Stack, ledger: Ledger, seed: int, clients: int = 4) -> None:
        self._stack = stack
        self.url = stack.url
        """Where the crowd sends; a line may lie between."""
        self._ledger = ledger
        self._seed = seed
        self._clients = clients
        self._numbers = itertools.count()
        self._newcomers = [itertools.count() for _ in range(clients)]
        self._sent: list[list[dict[str, Any]]] = []

    async def run(self, stop: asyncio.Event, pause: float = 0.02) -> None:
        """Send until told to stop, and bring what is under way to its end."""
        async with asyncio.TaskGroup() as group:
            for client in range(self._clients):
                group.create_task(self._client(client, stop, pause))

    async def repeat(self, most: int) -> None:
        """Send again, in any order, some batches that were acknowledged, and new batches of their events."""
        chance = random.Random(self._seed)
        batches = chance.sample(self._sent, min(most, len(self._sent)))
        loose = [event for batch in batches for event in batch]
        chance.shuffle(loose)
        mixed = [loose[start : start + 15] for start in range(0, len(loose), 15)]
        for batch in [*batches, *mixed]:
            await self._send(batch)

    async def _client(self, client: int, stop: asyncio.Event, pause: float) -> None:
        chance = random.Random(self._seed * 100 + client)
        newcomers = self._newcomers[client]
        people = [f"person-{client}-{next(newcomers)}" for _ in range(PEOPLE // self._clients)]
        while not stop.is_set():
            if chance.random() < _NEWCOMERS:
                people[chance.randrange(len(people))] = f"person-{client}-{next(newcomers)}"
            batch = [self._event(chance.choice(people)) for _ in range(chance.randint(1, 20))]
            patient = chance.random() < _PATIENT
            for attempt in itertools.count(1):
                answer = await self._send(batch)
                if answer is Answer.ACKNOWLEDGED:
                    self._sent.append(batch)
                    break
                if not patient:
                    break
                assert attempt < 200, "nothing is acknowledged any more"
                await asyncio.sleep(0.2)
            await asyncio.sleep(pause)

    def _event(self, person: str) -> dict[str, Any]:
        return {
            "type": "track",
            "event": "product_view",
            "userId": person,
            "messageId": f"chaos-{self._seed}-{next(self._numbers)}",
            "properties": {"product_id": "lamp"},
            "context": _CONSENT,
        }

    async def _send(self, batch: list[dict[str, Any]]) -> Answer:
        began = asyncio.get_running_loop().time()
        answer = await self._ask({"batch": batch, "writeKey": self._stack.write_key}, batch)
        self._ledger.note(batch, answer, asyncio.get_running_loop().time() - began)
        return answer

    async def _ask(self, body: dict[str, Any], batch: list[dict[str, Any]]) -> Answer:
        timeout = aiohttp.ClientTimeout(total=_ANSWER_WITHIN)
        try:
            async with self._stack.http.post(f"{self.url}/v1/batch", json=body, timeout=timeout) as response:
                answer = await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return Answer.SILENCE
        if response.status == 200 and answer["counts"] == {"accepted": len(batch)}:
            return Answer.ACKNOWLEDGED
        if response.status in {429, 503} and int(response.headers.get("Retry-After", 0)) > 0:
            return Answer.REFUSED
        self._ledger.surprises[f"{response.status}: {json.dumps(answer)[:_SHOWN]}"] += 1
        return Answer.FAULTY
