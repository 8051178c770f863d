"""The command line. Every failure that a user can act on ends in one clear line and a non-zero exit."""

import sys

import typer

from domain.errors import CannotRun, TagwayError
from gateway.cli.menu import PLAIN, Menu

# An OSError is a folder we may not write, a disk that is full: its text names the place.
_EXPECTED = (CannotRun, OSError, TagwayError)

app = typer.Typer(
    cls=Menu, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=PLAIN
)


@app.callback()
def tagway() -> None:
    """Customer-data gateway: consent-gated events in, sealed profiles and live segments out."""


def main() -> None:
    """Run the command line."""
    try:
        app()
    except _EXPECTED as error:
        print(f"tagway: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
