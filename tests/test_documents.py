"""What the documents promise, held against the product."""

import gzip
import re
from pathlib import Path

from domain.outcome import Outcome
from gateway.settings import Settings
from tag_sdk.files import part_hashes

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_readme_lists_every_setting_with_its_default() -> None:
    listed = dict(re.findall(r"^\| `(TAGWAY_\w+)` \| (.*?) \|", README, re.MULTILINE))
    assert list(listed) == [name for name, _ in Settings().describe()]
    plain = {name: shown.strip("`") for name, shown in listed.items() if shown.startswith("`")}
    assert plain == {name: value for name, value in Settings().describe() if value}


def test_the_readme_names_every_outcome() -> None:
    table = README[README.index("| outcome |") :]
    assert set(re.findall(r"`(\w+)`", table.split("\n\n", 1)[0])) == {outcome.value for outcome in Outcome}


def test_the_documents_tell_the_size_of_the_tag_and_of_each_part() -> None:
    line = re.compile(r"^\| ([\w/ ]+) \| (?:at most )?(\d+) B \|", re.MULTILINE)
    sizes = {name: _packed(name) for name in ("loader", "tag", *part_hashes())}
    told = {name: int(size) for name, size in line.findall((ROOT / "docs/tag.md").read_text())}
    assert set(told) == set(sizes)
    assert {name: size for name, size in sizes.items() if abs(size - told[name]) > 20} == {}
    largest = {
        "loader": sizes["loader"],
        "tag": sizes["tag"],
        "a source of consent": max(size for name, size in sizes.items() if name.startswith("consent/")),
        "an extra": max(size for name, size in sizes.items() if name.startswith("extras/")),
    }
    assert {name: abs(int(size) - largest[name]) <= 20 for name, size in line.findall(README)} == dict.fromkeys(
        largest, True
    )


def _packed(name: str) -> int:
    return len(gzip.compress((ROOT / f"tag_sdk/dist/{name}.js").read_bytes(), 9))


def test_links_between_documents_lead_somewhere() -> None:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[\w-]+)?\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} → {target}"


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for document in DOCUMENTS for name in re.findall(r"`make ([a-z-]+)`", document.read_text())}
    assert named <= targets
