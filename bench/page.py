"""What benches measured, as a page to read."""

from collections.abc import Mapping, Sequence
from typing import Final

from bench.figure import Figure

SIGNS: Final = {True: "✓", False: "✗", None: ""}


def write_page(title: str, introduction: str, answers: Mapping[str, Sequence[Figure]]) -> str:
    """Write Markdown: each question with a table of its figures."""
    lines = [f"# {title}", "", introduction]
    for question, figures in answers.items():
        lines += ["", f"**{question}**", "", "| | figure | bar | |", "|---|---:|---:|---|"]
        lines += [f"| {each.name} | {each.shown} | {each.bar} | {SIGNS[each.met]} |" for each in figures]
    return "\n".join([*lines, ""])
