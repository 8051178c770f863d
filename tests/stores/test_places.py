import asyncpg

from privacy.plan import default_document, read_plan
from stores.eventlog.open import KEEP, topics
from stores.places import PLACES, Request, Store, field_places, tables


async def test_every_table_that_knows_a_person_is_on_the_map(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch(
        """
        SELECT table_name, array_agg(column_name::text) AS columns FROM information_schema.columns
        WHERE table_schema = 'public' AND table_name NOT IN (SELECT inhrelid::regclass::text FROM pg_inherits)
        GROUP BY table_name
        """
    )
    await connection.close()
    columns = {row["table_name"]: set(row["columns"]) for row in rows}
    about_people = {name for name, those in columns.items() if {"subject_id", "profile_id"} & those}
    assert about_people >= {"event", "alias", "consent", "membership", "access_log"}
    assert about_people <= tables(), "say in stores/places.py where this is and what erases it"
    for place in PLACES:
        if place.store is Store.TABLE:
            table, _, column = place.name.partition(".")
            assert {column, place.found_by} <= columns[table], place.name


def test_every_topic_that_knows_a_person_is_on_the_map() -> None:
    assert {place.name for place in PLACES if place.store is Store.TOPIC} == topics(KEEP).keys()


def test_every_field_of_the_plan_has_its_places() -> None:
    fields = {each.field: each for each in field_places(read_plan(default_document()))}
    email = fields["traits.email"]
    assert email.sealed
    assert email.places[:3] == ("event.sealed", "profile.sealed", "alias.index")
    assert fields["properties.price"].places[0] == "event.properties"
    assert fields["product_view: properties.view_time"].places[0] == "event.properties"
    assert fields["context.page.url"].places[0] == "event.context"
    known = {place.name for place in PLACES}
    for field in fields.values():
        assert set(field.places) <= known
        assert set(field.requests) == set(Request)
