"""The ledger as a table."""

from typing import Final

from rich.table import Table

from tests.chaos.round import Round

_COLUMNS: Final = (
    *("log", "fault", "sent", "acknowledged", "refused", "no answer", "faulty", "slowest"),
    *("kept unasked", "lost", "twice", "wrong", "dead letters", "changes", "missed", "settled"),
)


def table(rounds: list[Round]) -> Table:
    """Lay it out, with its sums."""
    shown = Table(*_COLUMNS, box=None, pad_edge=False)
    for each in rounds:
        shown.add_row(*_row(each))
    if rounds:
        shown.add_row(*(f"[bold]{cell}" for cell in _sums(rounds)))
    return shown


def _row(each: Round) -> tuple[str, ...]:
    found = each.found
    answers = (each.sent, each.acknowledged, each.refused, each.silent, each.faulty)
    findings = (found.kept, found.lost, found.twice, found.wrong, found.letters, found.changes, found.missed)
    return (
        *(each.log, each.fault, *map(str, answers), f"{each.slowest:.1f} s"),
        *(*map(str, findings), f"{each.settled:.1f} s"),
    )


def _sums(rounds: list[Round]) -> tuple[str, ...]:
    """Add up. What is counted from the beginning of a trial on is taken from its end."""
    last = {each.log: each.found for each in rounds}.values()
    answers = (sum(getattr(each, name) for each in rounds) for name in ("sent", "acknowledged", "refused", "silent"))
    bad = (sum(getattr(each.found, name) for each in rounds) for name in ("lost", "twice", "wrong"))
    return (
        *("all", "", *map(str, answers), str(sum(each.faulty for each in rounds)), ""),
        *(str(sum(each.kept for each in last)), *map(str, bad), str(sum(each.letters for each in last))),
        *(str(sum(each.changes for each in last)), str(sum(each.found.missed for each in rounds)), ""),
    )
