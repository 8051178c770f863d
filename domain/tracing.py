"""Where an event is on its way, told to whoever operates the product: spans of a trace, or nothing at all.

A place in a trace travels as the `traceparent` of W3C Trace Context: 55 characters that name a trace and a span, both
drawn at random.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final, Protocol

HEADER: Final = "traceparent"
_FORM: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

Told = str | int | float | bool
"""What a span may be told: never anything of a person."""


class Span(Protocol):
    """One piece of work. `traceparent` names it to whoever goes on; None where nobody keeps it."""

    @property
    def traceparent(self) -> str | None:
        """Where work that this leads to hangs."""
        ...

    def rename(self, name: str) -> None:
        """Name it once it is known what it is."""
        ...

    def tell(self, told: Mapping[str, Told]) -> None:
        """Add what is known of it, under the names of OpenTelemetry's conventions where it has some."""
        ...

    def end(self, fault: str | None = None) -> None:
        """End it now; `fault` names the kind of what went wrong."""
        ...


class Tracer(Protocol):
    """Makes spans. `parent` is a traceparent; without one, a span hangs on the one around it or begins a trace."""

    def span(self, name: str, parent: str | None = None) -> AbstractContextManager[Span]:
        """Span the work of a `with` block; spans made within hang on it."""
        ...

    def begin(self, name: str, parent: str) -> Span:
        """Begin a span that the caller ends, and that no other hangs on by itself."""
        ...

    def here(self) -> str | None:
        """Return the traceparent of the span around; None where there is none that is kept."""
        ...


class _Unkept:
    """A span that nobody keeps."""

    __slots__ = ()
    traceparent = None

    def rename(self, name: str) -> None:
        """Do nothing."""

    def tell(self, told: Mapping[str, Told]) -> None:
        """Do nothing."""

    def end(self, fault: str | None = None) -> None:
        """Do nothing."""


_UNKEPT: Final = _Unkept()
_AROUND: Final = nullcontext(_UNKEPT)


class Untraced:
    """Makes no spans, and costs next to nothing."""

    __slots__ = ()

    def span(self, name: str, parent: str | None = None) -> AbstractContextManager[Span]:  # noqa: ARG002 - the protocol's
        """Return what does nothing."""
        return _AROUND

    def begin(self, name: str, parent: str) -> Span:  # noqa: ARG002 - the protocol's
        """Return what does nothing."""
        return _UNKEPT

    def here(self) -> str | None:
        """Return None."""
        return None


UNTRACED: Final = Untraced()


@contextmanager
def spans(tracer: Tracer, name: str, parents: Iterable[str | None]) -> Iterator[Mapping[str | None, str]]:
    """Begin a span under each parent, for work on many at once, and end them with the block.

    Yields, for each parent, where to go on: under its span, or under itself where that is not kept.
    """
    begun = {parent: tracer.begin(name, parent) for parent in parents if parent is not None}
    fault = None
    try:
        yield {parent: span.traceparent or parent for parent, span in begun.items()}
    except Exception as error:
        fault = type(error).__name__
        raise
    finally:
        for span in begun.values():
            span.end(fault)


def read_traceparent(text: str | bytes | None) -> str | None:
    """Return a traceparent of ours or of a stranger's; None when it is not one, or of a version that we do not know."""
    if isinstance(text, bytes):
        text = text.decode("ascii", "replace")
    return text if text is not None and _FORM.fullmatch(text) else None
