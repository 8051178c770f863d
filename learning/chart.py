"""A table of rankers as a picture: bars with their 95 % intervals, in SVG, which every browser shows."""

from collections.abc import Sequence
from html import escape
from typing import Final

from learning.contest import Contest

_WIDTH: Final = 760
_LABELS: Final = 250
_ROW: Final = 26
_BAR: Final = 14


def draw(contests: Sequence[Contest], title: str) -> str:
    """Draw hit@10 of every ranker, one panel per protocol, popularity's as a line through its panel."""
    most = max((row.quality.hit.high for contest in contests for row in contest.rows), default=0.0) or 1.0
    parts, top = [_text(16, 28, title, "title")], 56
    for contest in contests:
        parts.append(_text(16, top, f"hit@10: {contest.protocol}", "head"))
        bar = contest.rows[0].quality.hit.mean if contest.rows else 0.0
        line = _place(bar, most)
        bottom = top + 8 + _ROW * len(contest.rows)
        parts.append(f'<line class="bar" x1="{line}" x2="{line}" y1="{top + 8}" y2="{bottom}"/>')
        for number, row in enumerate(contest.rows):
            parts += _row(
                row.ranker, row.quality.hit.mean, row.quality.hit.low, row.quality.hit.high, most, top, number
            )
        top = bottom + 40
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top}" width="{_WIDTH}" height="{top}"'
        f' role="img" aria-label="{escape(title)}">'
        "<style>text{font:13px system-ui,sans-serif;fill:#222}.title{font-size:17px;font-weight:600}"
        ".head{font-weight:600}.value{fill:#555}rect.mean{fill:#3f7d6e}.span{stroke:#1d3b34;stroke-width:1.5}"
        ".bar{stroke:#b4552d;stroke-dasharray:3 3}</style>"
        f'<rect width="{_WIDTH}" height="{top}" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


def _row(name: str, mean: float, low: float, high: float, most: float, top: int, number: int) -> list[str]:
    y = top + 12 + _ROW * number
    middle, start = y + _BAR / 2, _place(0, most)
    width = round(_place(mean, most) - start, 1)
    return [
        _text(_LABELS - 8, y + _BAR - 3, name, "name", "end"),
        f'<rect class="mean" x="{start}" y="{y}" width="{width}" height="{_BAR}" rx="2"/>',
        f'<line class="span" x1="{_place(low, most)}" x2="{_place(high, most)}" y1="{middle}" y2="{middle}"/>',
        _text(_place(high, most) + 8, y + _BAR - 3, f"{mean:.3f}", "value"),
    ]


def _place(value: float, most: float) -> float:
    return round(_LABELS + value / most * (_WIDTH - _LABELS - 80), 1)


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'
