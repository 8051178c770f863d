"""How much an event says that its item is wanted.

Weights follow what a step costs the person: a view 1, a cart 3, a purchase 5. Taking something out of the cart takes
the cart's weight back, a refund the purchase's. A rating, of five, says 3 from four on and takes 1 back up to two. The
names are those of our own events and of the Segment specification.
"""

from typing import Final

WEIGHTS: Final = {
    "product_view": 1.0,
    "Product Viewed": 1.0,
    "recommendation_clicked": 1.0,
    "add_to_cart": 3.0,
    "Product Added": 3.0,
    "remove_from_cart": -3.0,
    "Product Removed": -3.0,
    "purchase": 5.0,
    "Order Completed": 5.0,
    "refund": -5.0,
    "Order Refunded": -5.0,
    "product_rated": 1.0,
    "Product Reviewed": 1.0,
}
BOUGHT: Final = frozenset({"purchase", "Order Completed"})
RATED: Final = frozenset({"product_rated", "Product Reviewed"})

_LIKED: Final = 4.0
_DISLIKED: Final = 2.0


def weight_of(name: str, rating: float | None) -> float:
    """Give the weight of one event; `rating` counts for those that rate, on a scale up to five."""
    if name in RATED and rating is not None:
        if rating >= _LIKED:
            return WEIGHTS["add_to_cart"]
        return -1.0 if rating <= _DISLIKED else 1.0
    return WEIGHTS[name]
