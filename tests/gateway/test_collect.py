from tests.fixtures.gateway import Gateway, event


async def test_a_batch_is_answered_event_by_event(gateway: Gateway) -> None:
    results = await gateway.batch(event(messageId="a"), event(messageId="b"))
    assert [(r["message_id"], r["outcome"]) for r in results] == [("a", "accepted"), ("b", "accepted")]
    assert [e.message_id for e in await gateway.logged()] == ["a", "b"]
