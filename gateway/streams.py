"""How many streams are open at once: sockets, and answers that go on for as long as somebody listens."""

from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from domain.errors import Refused
from domain.key import Principal


class Streams:
    """Bounds the streams of a gateway, and those of each one: an open one costs memory though nothing comes over it."""

    def __init__(self, most: int, most_of_one: int) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._of: Counter[Hashable] = Counter()
        self.open = 0

    @property
    def full(self) -> bool:
        """Whether the next one is refused, whoever it is."""
        return self.open >= self._most

    @contextmanager
    def enter(self, who: Hashable = None) -> Iterator["Place"]:
        """Hold a place for one stream; without `who` it is known later whose it is. Raises `too_many_requests`."""
        if self.full:
            raise Refused(code="too_many_requests")
        place = Place(self._of, self._most_of_one)
        if who is not None:
            place.belong(who)
        self.open += 1
        try:
            yield place
        finally:
            self.open -= 1
            place.leave()


class Place:
    """The place of one open stream."""

    __slots__ = ("_most", "_of", "_who")

    def __init__(self, of: Counter[Hashable], most: int) -> None:
        self._of = of
        self._most = most
        self._who: Hashable = None

    def belong(self, who: Hashable) -> None:
        """Say whose it is, as often as one likes. Raises `too_many_requests`."""
        if self._who == who:
            return
        if self._of[who] >= self._most:
            raise Refused(code="too_many_requests")
        self.leave()
        self._of[who] += 1
        self._who = who

    def leave(self) -> None:
        """Give it back."""
        if self._who is not None:
            self._of[self._who] -= 1
            if not self._of[self._who]:
                del self._of[self._who]
            self._who = None


def whose(principal: Principal) -> Hashable:
    """Name the key or the visitor that streams are counted for."""
    return principal.key_id or (principal.workspace, principal.anonymous_id, principal.user_id)
