"""Finds the console's and the demo's files; they are served as they are, without a build step."""

from pathlib import Path

_HERE = Path(__file__).parent


def console_page() -> Path:
    """Return the console's page, for `/`."""
    return _HERE / "index.html"


def console_static() -> Path:
    """Return the folder for `/console/static`."""
    return _HERE / "static"


def explorer_page() -> Path:
    """Return the page to try GraphQL on, for `/graphql`."""
    return _HERE / "explorer.html"


def demo_page() -> Path:
    """Return the shop's page, for `/demo` and every path below it but `/demo/static`: the shop routes by itself."""
    return _HERE / "demo" / "index.html"


def demo_static() -> Path:
    """Return the folder for `/demo/static`."""
    return _HERE / "demo" / "static"
