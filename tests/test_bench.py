"""What benches promise of themselves, apart from what they measure."""

import json
from pathlib import Path

import pytest
from rich.console import Console

import bench.__main__ as bench
from bench import machine, mercurius
from bench.figure import Figure

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


def test_of_several_answers_the_least_disturbed_one_stands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    monkeypatch.setattr(machine, "_STAT", stat)
    stolen = iter([50, 10, 30])
    speeds = iter([100.0, 60.0, 90.0])
    ticks = [0] * 10

    def pass_time() -> None:
        stat.write_text(f"cpu  {' '.join(map(str, ticks))}\n")

    class Bench:
        @staticmethod
        async def run() -> list[Figure]:
            given = next(stolen)
            ticks[0] += 100 - given
            ticks[7] += given
            pass_time()
            return [Figure("speed", next(speeds), "events/s")]

    pass_time()
    speed, given = bench._ask(Bench, "speed", 3, Console())
    assert (speed.value, given.value) == (60, 10)
    stolen, speeds = iter([1]), iter([80.0])
    speed, _ = bench._ask(Bench, "speed", 3, Console())
    assert speed.value == 80
