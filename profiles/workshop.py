"""What those who change profiles work with."""

from dataclasses import dataclass, field

from domain.clock import Clock
from profiles.catalogue import Catalogue
from profiles.memory import Memory
from profiles.metrics import BuildMetrics
from profiles.precedence import Precedence
from stores.postgres import Database


@dataclass(frozen=True, slots=True)
class Workshop:
    """The tools of one process. Whoever shares them shares what the process knows of definitions and of profiles."""

    database: Database
    clock: Clock
    metrics: BuildMetrics
    catalogue: Catalogue = field(default_factory=Catalogue)
    memory: Memory = field(default_factory=Memory)
    precedence: Precedence = field(default_factory=Precedence)
