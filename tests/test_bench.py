"""What benches promise of themselves, apart from what they measure."""

import json
from pathlib import Path

import pytest

from bench import mercurius

NODE = Path(mercurius.__file__).with_name("node")


async def test_without_node_the_comparison_says_that_it_was_not_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    [figure] = await mercurius.run()
    assert (figure.name, figure.shown, figure.met) == ("Node is not installed", "not measured", None)


def test_what_it_is_compared_with_is_pinned_by_hash_and_names_no_registry() -> None:
    packages = json.loads((NODE / "package-lock.json").read_text())["packages"]
    wanted = json.loads((NODE / "package.json").read_text())["dependencies"]
    assert packages.pop("")["dependencies"] == wanted
    assert {name: packages[f"node_modules/{name}"]["version"] for name in wanted} == wanted
    for name, each in packages.items():
        assert each["integrity"].startswith("sha512-"), name
        assert "resolved" not in each, name
