"""What `tagway` can do.

A command's module is loaded when the command is called: each brings libraries that no other should wait for.
"""

import importlib
from typing import Any, Final, NamedTuple

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup

PLAIN: Final = None
"""The style of help: frames and colours would load a parser of Markdown for every `--help`."""


class Entry(NamedTuple):
    """One command: where it is, as `module:name` of a function or of a group, and the first line of its help."""

    place: str
    help: str


COMMANDS: Final = {
    "up": Entry(
        "gateway.cli.up:up",
        "Run everything on this machine: stores, gateway and builder. Ctrl-C stops it, the data stays.",
    ),
    "serve": Entry("gateway.cli.processes:serve", "Run the gateway. Run as many as you like: they keep no state."),
    "build": Entry(
        "gateway.cli.processes:build", "Run a profile builder. Run as many as the events topic has partitions."
    ),
    "migrate": Entry("gateway.cli.processes:migrate", "Bring the database to the schema of this version."),
    "doctor": Entry(
        "gateway.cli.doctor:doctor",
        "List the settings, secrets hidden, and check each thing they name. Fails when something is wrong.",
    ),
    "workspaces": Entry("gateway.cli.workspaces:app", "List, create and set up workspaces."),
    "keys": Entry("gateway.cli.keys:app", "List, create and revoke keys."),
    "sites": Entry("gateway.cli.sites:app", "Show and set what the tag of a write key is told."),
    "plan": Entry("gateway.cli.plan:app", "What the tracking plan comes to: the record of processing, and the map."),
    "segments": Entry(
        "gateway.cli.segments:app", "Segments: what there is, ready-made ones, and definitions to check."
    ),
    "identity": Entry("gateway.cli.identity:app", "Who was taken to be whom; merge people, and take merges back."),
    "import": Entry("gateway.cli.people:app", "Bring in what other systems hold."),
    "items": Entry("gateway.cli.items:app", "The catalogue of what can be recommended."),
    "train": Entry(
        "gateway.cli.train:train",
        "Train the recommender from the stored events; publish it only if it beats popularity and the live one.",
    ),
    "evaluate": Entry(
        "gateway.cli.evaluate:evaluate", "Judge recommenders on a file, with popularity beside them, and draw a chart."
    ),
    "erase": Entry(
        "gateway.cli.requests:erase",
        "Erase a person everywhere, keep them from coming back, and print the signed receipt.",
    ),
    "export": Entry(
        "gateway.cli.requests:export", "Write everything that is held about a person to the standard output, as JSON."
    ),
    "requests": Entry("gateway.cli.requests:app", "Follow what people have asked for, and check receipts."),
    "ledger": Entry("gateway.cli.ledger:app", "Verify the consent ledger, prove events by it, check proofs."),
    "access-log": Entry("gateway.cli.access_log:app", "Check the log of looks at personal data, and report from it."),
    "deadletters": Entry("gateway.cli.dead_letters:app", "Events that could not be built: list, inspect, fix, replay."),
    "sweep": Entry(
        "gateway.cli.sweep:sweep",
        "Delete what has outlived its retention. Builders do so by themselves; this is for not waiting.",
    ),
    "replay": Entry(
        "gateway.cli.replay:replay",
        "Build the log once more into fresh tables: to repair, to try a new version, or to prove that it is the same.",
    ),
}


class Menu(TyperGroup):
    """The commands by name and help; the one that is called is loaded."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = {name: TyperCommand(name, help=entry.help) for name, entry in COMMANDS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that the arguments call, as the base class does, and load it."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, load(str(name)), rest


def load(name: str) -> Any:
    """Import one command."""
    module, _, attribute = COMMANDS[name].place.partition(":")
    found = getattr(importlib.import_module(module), attribute)
    if isinstance(found, typer.Typer):
        found.rich_markup_mode = PLAIN
        return typer.main.get_group(found)
    alone = typer.Typer(add_completion=False, rich_markup_mode=PLAIN)
    alone.command(name)(found)
    return typer.main.get_command(alone)
