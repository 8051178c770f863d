"""Cells of recency, frequency and monetary value, as the counts and sums that they are."""

from domain.segment import And, Count, Definition, Not, Rfm, Sum


def spread(rfm: Rfm) -> Definition:
    """Say the same in counts and a sum, over whoever bought in the window at all."""

    def bought(window: str) -> Count:
        return Count(rfm.event, ">=", 1, window)

    parts: list[Definition] = [bought(rfm.window)]
    if rfm.recency and rfm.recency.to:
        parts.append(bought(rfm.recency.to))
    if rfm.recency and rfm.recency.from_:
        parts.append(Not(bought(rfm.recency.from_)))
    if rfm.frequency and rfm.frequency.from_ is not None:
        parts.append(Count(rfm.event, ">=", int(rfm.frequency.from_), rfm.window))
    if rfm.frequency and rfm.frequency.to is not None:
        parts.append(Count(rfm.event, "<", int(rfm.frequency.to), rfm.window))
    if rfm.monetary and rfm.monetary.from_ is not None:
        parts.append(Sum(rfm.event, rfm.property, ">=", rfm.monetary.from_, rfm.window))
    if rfm.monetary and rfm.monetary.to is not None:
        parts.append(Sum(rfm.event, rfm.property, "<", rfm.monetary.to, rfm.window))
    return And(tuple(parts))
