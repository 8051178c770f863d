from learning.baskets import bought_together


def test_lift_is_over_chance_and_needs_enough_orders() -> None:
    orders = [[0, 1], [0, 1], [0, 1], [2, 3], [2, 3], [4], [4], [4], [4], [4]]
    found = bought_together(orders, 5)
    assert found.items[0, 0] == 1
    assert found.lifts[0, 0] == 10 * 3 / (3 * 3)
    assert found.orders[0].tolist()[:2] == [3, 0]
    assert not found.orders[2:].any()  # two orders are chance


def test_what_everyone_buys_goes_with_nothing() -> None:
    orders = [[0, 1]] * 5 + [[0, 2]] * 5 + [[0]] * 5
    found = bought_together(orders, 3)
    assert not found.orders.any()


def test_an_item_twice_in_an_order_counts_once_and_a_resellers_order_not_at_all() -> None:
    found = bought_together([[0, 0, 1]] * 3 + [[2]] * 3 + [range(200)] * 9, 200)
    assert found.orders[0, 0] == 3
    assert not found.orders[100].any()


def test_no_orders_make_an_empty_table() -> None:
    assert not bought_together([], 3).orders.any()
