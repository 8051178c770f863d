"""What is bought together with an item."""

from dataclasses import dataclass

from learning.interactions import Codes, Numbers


@dataclass(frozen=True, slots=True)
class Together:
    """For each item up to 20 others, the greatest lift first; rows are filled up with 0 orders.

    Lift is the share of orders with both over the product of the shares of orders with each: 1 is chance.
    """

    items: Codes
    lifts: Numbers
    orders: Codes
