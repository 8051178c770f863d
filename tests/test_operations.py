"""What is written for operators names what there is; and the dependencies are what they are said to be."""

import json
import re
from importlib.metadata import PackageMetadata, distribution
from pathlib import Path

import promql_parser
import pytest
import yaml
from prometheus_client import CollectorRegistry
from typer.main import get_command

from gateway.cli.main import app
from gateway.metrics import Metrics, Name
from gateway.settings import Settings
from profiles.metrics import BuildMetrics

ROOT = Path(__file__).parent.parent
OPS = ROOT / "docs" / "ops"
STANDARD = {"up"}
"""What Prometheus itself tells of each target."""
PARTS = {"lhs", "rhs", "expr", "param", "args", "vector_selector"}
SUFFIXES = re.compile(r"_(bucket|sum|count)$")
PERMISSIVE = (
    "mit",
    "bsd",
    "apache",
    "isc",
    "mozilla",  # bounds its own files only
    "psf",
    "python software",
    "unlicense",
    "cc0",
    "postgresql",
    "0bsd",
)


def names_of(exposed: bytes) -> set[str]:
    return set(re.findall(r"^# TYPE (\w+)", exposed.decode(), re.MULTILINE))


@pytest.fixture(scope="module")
def metrics() -> set[str]:
    registry = CollectorRegistry()
    BuildMetrics(registry)
    found = {metric.name + ("_total" if metric.type == "counter" else "") for metric in registry.collect()}
    gateway = {name for name in names_of(Metrics().expose()) if not name.endswith("_created")}
    assert {name.value for name in Name} == {name for name in gateway if not name.startswith("process_")}
    assert {name for name in gateway if name.startswith("process_")} == {n for n in found if n.startswith("process_")}
    return found | gateway


def used(expression: str) -> set[str]:
    """Name every metric that Prometheus would look up."""
    waiting, names = [promql_parser.parse(expression)], set[str]()
    while waiting:
        part = waiting.pop()
        if isinstance(part, promql_parser.VectorSelector):
            names.add(SUFFIXES.sub("", str(part.name)))
        elif isinstance(part, list):
            waiting += part
        elif type(part).__module__ == promql_parser.VectorSelector.__module__:
            waiting += [getattr(part, name) for name in dir(part) if name in PARTS]
    return names


def shown() -> list[str]:
    """List the expressions of all rules and panels."""
    groups = yaml.safe_load((OPS / "alerts.yaml").read_text())["groups"]
    panels = json.loads((OPS / "dashboard.json").read_text())["panels"]
    rules = [rule["expr"] for group in groups for rule in group["rules"]]
    return rules + [target["expr"] for panel in panels for target in panel["targets"]]


@pytest.mark.parametrize("expression", shown())
def test_rules_and_panels_show_metrics_that_there_are(metrics: set[str], expression: str) -> None:
    assert used(expression)
    assert used(expression) <= metrics | STANDARD


def test_a_metric_that_nobody_exposes_would_be_noticed() -> None:
    asked = 'sum by (le) (rate(a_bucket{x="y"}[5m])) / -b > 0 or absent(c == 1) unless max_over_time((d)[1h:1m])'
    assert used(asked) == {"a", "b", "c", "d"}


def test_every_metric_is_documented_and_nothing_else(metrics: set[str]) -> None:
    listed = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE))
    assert listed == metrics


@pytest.mark.parametrize("name", ["compose.yaml", "kubernetes.yaml", "Dockerfile"])
def test_deployments_set_settings_that_there_are(name: str) -> None:
    settings = {setting for setting, _ in Settings().describe()}
    named = set(re.findall(r"\bTAGWAY_\w+", (OPS / name).read_text()))
    assert named
    assert named <= settings


def test_commands_that_documents_name_exist() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]  # a group has them
    documents = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
    text = "\n".join(document.read_text() for document in documents)
    named = set(re.findall(r"(?:^|`|/)tagway ([a-z][a-z-]*)", text, re.MULTILINE))
    assert {"up", "serve", "replay", "deadletters", "doctor"} <= named
    assert named <= commands.keys()


def test_every_dependency_is_pinned_with_its_hashes_and_no_index() -> None:
    for name in ("run", "traces", "dev"):
        text = (ROOT / "requirements" / f"{name}.txt").read_text()
        assert "://" not in text
        assert "index-url" not in text
        for requirement in re.split(r"\n(?=\S)", text.strip()):
            if not requirement.startswith("#"):
                assert re.match(r"[\w.\[\],-]+==\S+", requirement), requirement
                assert "--hash=sha256:" in requirement, requirement


def _pins(name: str) -> dict[str, set[str]]:
    """List the versions of each requirement; there are several where they differ by platform or Python."""
    found: dict[str, set[str]] = {}
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    for package, version in re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==(\S+)", text, re.MULTILINE):
        found.setdefault(package, set()).add(version)
    return found


@pytest.mark.parametrize("name", ["run", "traces"])
def test_what_runs_is_what_was_tested(name: str) -> None:
    tested = _pins("dev")
    assert {package: pins for package, pins in _pins(name).items() if tested.get(package) != pins} == {}


def test_every_dependency_that_runs_has_a_permissive_licence() -> None:
    text = (ROOT / "requirements" / "traces.txt").read_text()
    for name in re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==", text, re.MULTILINE):
        try:
            metadata = distribution(name).metadata
        except ModuleNotFoundError:
            continue  # for another platform or Python
        said = [_field(metadata, "License-Expression"), _field(metadata, "License")[:200]]
        said += [each for each in metadata.get_all("Classifier") or [] if each.startswith("License")]
        assert any(word in " ".join(said).lower() for word in PERMISSIVE), (name, said)


def _field(metadata: PackageMetadata, name: str) -> str:
    return str(metadata[name]) if name in metadata else ""
