"""How soon is a list made for one person, with 100,000 items in the shop and a hundred events in their history?"""

import json
import random
import time
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

import numpy as np

from bench.client import pace, post
from bench.figure import Figure, quantile
from bench.house import House, open_database, open_house
from domain.alias import AliasKind
from domain.item import Interaction, Item
from learning.catalogue import Catalogue
from learning.factors import Factors
from learning.lists import Question, Strategy
from learning.making import Maker, Person
from learning.model import Model, Recipe, pack
from learning.neighbours import Neighbours
from learning.policy import Policy
from learning.scoring import Blend
from learning.shelf import Shelf
from learning.together import Together
from privacy.pseudonym import aliases_for
from stores.models import ModelRow, add_model, go_live
from stores.postgres import Connection
from stores.recommender import Signs

ITEMS: Final = 100_000
NEIGHBOURS: Final = 200
HISTORY: Final = 100
PEOPLE: Final = 400
A_SECOND: Final = 20
LISTS: Final = 300
NOW: Final = datetime.now(UTC)


async def run() -> list[Figure]:
    """Make lists in this process, then ask a gateway for those of people it has not met."""
    model = _model()
    alone = _in_process(model)
    async with open_house() as house:
        async with open_database(house) as database, database.across() as connection:
            packed, digest = pack(model)
            row = ModelRow(uuid4(), 0, "published", {}, digest, NOW, NOW)
            async with connection.transaction():
                await add_model(connection, house.workspace, row, packed)
                await go_live(connection, house.workspace, row.id, NOW)
            await _people(connection, house)
        async with house.serve() as gateway:
            asks = [_ask(house, f"person-{person}") for person in range(PEOPLE)]
            await pace(gateway.port, asks[:1], A_SECOND, b'"for_you"')  # which loads the model
            before = gateway.processor_seconds()
            waits = [wait * 1e3 for _, wait in await pace(gateway.port, asks[1:], A_SECOND, b'"for_you"')]
            used = (gateway.processor_seconds() - before) / len(waits) * 1e3
            again = [wait * 1e3 for _, wait in await pace(gateway.port, asks[1:], A_SECOND, b'"for_you"')]
    return [
        Figure("p99 in process, processor time", quantile(alone, 0.99), "ms", at_most=20),
        Figure("p50 in process, processor time", quantile(alone, 0.5), "ms"),
        Figure(f"p99 of the whole request, {A_SECOND} a second", quantile(waits, 0.99), "ms", at_most=50),
        Figure("p50 of the whole request", quantile(waits, 0.5), "ms"),
        Figure("processor time of the gateway for it", used, "ms"),
        Figure("p50 when nothing has changed since", quantile(again, 0.5), "ms"),
    ]


def _model() -> Model:
    random_ = np.random.default_rng(0)
    shape = (ITEMS, NEIGHBOURS)
    weights = np.sort(random_.random(shape, dtype=np.float32))[:, ::-1].copy()
    nothing = np.zeros((ITEMS, 1), np.int32)
    return Model(
        recipe=Recipe(kind="cosine", blend=Blend(half_life=4.0, neighbours=0.8)),
        item_ids=tuple(f"sku-{code}" for code in range(ITEMS)),
        neighbours=Neighbours(random_.integers(0, ITEMS, shape, dtype=np.int32), weights),
        factors=Factors(
            0.3,
            random_.normal(0, 0.1, ITEMS).astype(np.float32),
            random_.normal(0, 0.1, (ITEMS, 64)).astype(np.float32),
        ),
        together=Together(nothing, nothing.astype(np.float32), nothing),
        popularity=np.ones(ITEMS, np.float32),
    )


def _in_process(model: Model) -> list[float]:
    items: dict[str, Item | None] = {id_: Item(id_, category=f"c{n % 50}") for n, id_ in enumerate(model.item_ids)}
    shelf = Shelf(Signs(uuid4(), None, None), model, 1, Catalogue.of(items, model.item_ids), Policy())
    maker, lot, waits = Maker(shelf, ()), random.Random(1), []
    for _ in range(LISTS):
        lately = [Interaction(lot.choice(model.item_ids), "product_view", NOW) for _ in range(HISTORY)]
        began = time.thread_time()  # which other work on the machine hardly changes
        maker.for_person(Question(Strategy.FOR_YOU, 10), Person(lately, [], NOW), lot)
        waits.append((time.thread_time() - began) * 1e3)
    return waits


async def _people(connection: Connection, house: House) -> None:
    """Store people with their events, as the builder would."""
    subjects = {f"person-{number}": uuid4() for number in range(PEOPLE)}
    ids = list(subjects.values())
    await connection.execute(
        "INSERT INTO profile (workspace_id, id, first_seen_at, last_seen_at) SELECT $1, unnest($2::uuid[]), $3, $3",
        house.workspace,
        ids,
        NOW,
    )
    await connection.execute(
        "INSERT INTO subject SELECT $1, id, id, '', $3 FROM unnest($2::uuid[]) AS id", house.workspace, ids, NOW
    )
    await connection.executemany(
        "INSERT INTO alias VALUES ($1, $2, $3, $4, $5, $6)",
        [(house.workspace, *_alias(house, name), subject, NOW) for name, subject in subjects.items()],
    )
    await connection.execute(
        """
        INSERT INTO event (workspace_id, message_id, subject_id, type, name, at, received_at, properties, traits,
            context, sealed, purposes)
        SELECT $1, subject || '-' || n, subject, 'track', 'product_view', $3::timestamptz - n * interval '1 minute', $3,
            jsonb_build_object('product_id', 'sku-' || (hashtext(subject || '-' || n) & 65535)), '{}', '{}', '{}',
            '{personalization}'
        FROM unnest($2::uuid[]) AS subject, generate_series(1, $4::int) AS n
        """,
        house.workspace,
        ids,
        NOW - timedelta(minutes=1),
        HISTORY,
    )
    await connection.execute("ANALYZE event")


def _alias(house: House, name: str) -> tuple[str, int, bytes]:
    alias, *_ = aliases_for(AliasKind.USER_ID, name, house.keys)
    return alias.kind.value, alias.version, alias.index


def _ask(house: House, name: str) -> bytes:
    body = json.dumps({"customer_id": name}).encode()
    return post("/recommend", body, authorization=f"Bearer {house.secret_key}")
