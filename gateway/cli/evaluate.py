"""`tagway evaluate`: the fixed protocols on a file of the user's own. Needs no running stores."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from domain.errors import Refused
from gateway.cli.progress import Bar

if TYPE_CHECKING:  # the libraries behind these take a second to load, which no other command should wait for
    from learning.contest import Contest
    from learning.measures import Interval
    from learning.ratings import RatingRow

Ratings = Annotated[Path | None, typer.Option(help="A file of ratings: MovieLens, or CSV with a header.")]
Happened = Annotated[Path | None, typer.Option(help="A file of interactions: CSV with person, item, timestamp, event.")]
Chart = Annotated[Path, typer.Option(help="Where to draw the chart, an SVG image.")]
Folds = Annotated[int, typer.Option(min=2, max=20, help="Folds of the rating models.")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same figures.")]


def evaluate(
    ratings: Ratings = None,
    interactions: Happened = None,
    chart: Chart = Path("evaluation.svg"),
    folds: Folds = 5,
    seed: Seed = 0,
) -> None:
    """Judge recommenders on a file, with popularity beside them, and draw a chart."""
    path = ratings or interactions
    if path is None or (ratings and interactions):
        raise Refused("name one file, with --ratings or with --interactions")
    if not chart.parent.is_dir():
        raise Refused(f"there is no folder {chart.parent} to draw the chart in")
    from learning.chart import draw  # noqa: PLC0415 - as above
    from learning.contest import contests  # noqa: PLC0415 - as above
    from learning.ratings import rating_errors  # noqa: PLC0415 - as above
    from learning.table import read_table  # noqa: PLC0415 - as above

    console = Console(highlight=False)
    table = read_table(path)
    if ratings and not len(table.ratings):
        raise Refused(f"{path.name} has no ratings: try --interactions")
    found = table.interactions()
    console.print(f"{len(table.people):,} rows: {found.people_count:,} people, {found.item_count:,} items")
    with Bar(console) as bar:
        judged = contests(found, bar, seed=seed)
        errors = rating_errors(table, bar, folds=folds, seed=seed) if ratings else []
    if errors:
        console.print(_rating_table(errors, folds))
    for contest in judged:
        console.print(_ranking_table(contest))
    chart.write_text(draw(judged, f"Recommenders on {path.name}"))
    console.print(f"the chart is in {chart}")


def _rating_table(rows: "list[RatingRow]", folds: int) -> Table:
    names = ("ratings", "RMSE", "95 %", "MAE", "95 %")
    table = _table(f"Error of foretold ratings, {folds} folds", names)
    for row in rows:
        table.add_row(row.model, f"{row.rmse.mean:.3f}", _span(row.rmse), f"{row.mae.mean:.3f}", _span(row.mae))
    return table


def _ranking_table(contest: "Contest") -> Table:
    people = contest.rows[0].quality.people if contest.rows else 0
    names = ("ranker", "hit@10", "95 %", "NDCG", "gain", "95 %", "MRR", "cover", "bits")
    table = _table(f"Lists of ten: {contest.protocol}, {people:,} people; gain in NDCG over popularity", names)
    for row in contest.rows:
        quality, gain = row.quality, row.ndcg_gain
        gained = ("", "") if row is contest.rows[0] else (f"{gain.mean:+.3f}", _span(gain))
        figures = (f"{quality.mrr:.3f}", f"{quality.coverage:.2f}", f"{quality.novelty:.2f}")
        table.add_row(
            row.ranker, f"{quality.hit.mean:.3f}", _span(quality.hit), f"{quality.ndcg.mean:.3f}", *gained, *figures
        )
    return table


def _table(title: str, names: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name in names:
        table.add_column(name, justify="left" if name == names[0] else "right", no_wrap=name != names[0])
    return table


def _span(interval: "Interval") -> str:
    return f"{interval.low:.3f} … {interval.high:.3f}"
