"""Files for operators are read by what reads them elsewhere, or by its own parser: Kubernetes, Prometheus, Docker."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import promql_parser
import pytest
import yaml
from dockerfile_parse import DockerfileParser
from typer.main import get_command

from gateway.cli.main import app

ROOT = Path(__file__).parent.parent
OPS = ROOT / "docs" / "ops"
DURATION = re.compile(r"\d+[smhd]")


def manifests() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((OPS / "kubernetes.yaml").read_text()))


def commands() -> set[str]:
    return set(get_command(app).commands)  # type: ignore[attr-defined]  # a group has them


@pytest.mark.parametrize("release", ["1.30", "1.33", "1.36"])
def test_kubernetes_takes_every_manifest(release: str) -> None:
    for manifest in manifests():
        kubernetes_validate.validate(manifest, release, strict=True)


def test_a_manifest_that_is_wrong_would_be_noticed() -> None:
    manifest = manifests()[0]
    manifest["spec"]["template"]["spec"]["restartPolice"] = "Never"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, "1.36", strict=True)


def test_pods_mount_what_they_declare_and_run_what_there_is() -> None:
    claims = {each["metadata"]["name"] for each in manifests() if each["kind"] == "PersistentVolumeClaim"}
    for manifest in manifests():
        pod = manifest["spec"].get("template", {}).get("spec")
        if pod is None:
            continue
        volumes = {each["name"] for each in pod.get("volumes", ())}
        templates = {each["metadata"]["name"] for each in manifest["spec"].get("volumeClaimTemplates", ())}
        claimed = [each["persistentVolumeClaim"] for each in pod.get("volumes", ()) if "persistentVolumeClaim" in each]
        assert {each["claimName"] for each in claimed} <= claims
        for container in pod["containers"]:
            assert set(container["args"]) - {"--watch"} <= commands()
            assert {each["name"] for each in container.get("volumeMounts", ())} <= volumes | templates
    specs = [each["spec"] for each in manifests() if "selector" in each["spec"]]
    labels = [each["template"]["metadata"]["labels"] for each in specs if "template" in each]
    assert all(each["selector"].get("matchLabels", each["selector"]) in labels for each in specs)


def test_names_that_kubernetes_adds_for_services_reach_no_pod() -> None:
    pods = [each["spec"]["template"]["spec"] for each in manifests() if "template" in each["spec"]]
    assert pods
    assert all(pod["enableServiceLinks"] is False for pod in pods)


def test_every_process_is_run_everywhere() -> None:
    pods = [each["spec"]["template"]["spec"] for each in manifests() if "template" in each["spec"]]
    in_pods = {container["args"][0] for pod in pods for container in pod["containers"]}
    services = yaml.safe_load((OPS / "compose.yaml").read_text())["services"].values()
    in_services = {each["command"][0] for each in services if each["image"] == "tagway"}
    assert in_pods == in_services == {"migrate", "serve", "build", "train"}


def test_compose_services_name_each_other_and_what_there_is() -> None:
    compose = yaml.safe_load((OPS / "compose.yaml").read_text())
    services, volumes = compose["services"], compose["volumes"].keys()
    conditions = {"service_healthy": "healthcheck", "service_completed_successfully": "command"}
    for service in services.values():
        for name, told in service.get("depends_on", {}).items():
            assert conditions[told["condition"]] in services[name]
        named = {mount.partition(":")[0] for mount in service.get("volumes", ())}
        assert named <= volumes
        if service["image"] == "tagway":
            assert set(service["command"]) - {"--watch"} <= commands()
            assert (OPS / service["build"]["context"] / service["build"]["dockerfile"]).resolve() == OPS / "Dockerfile"
    assert set(services) == {"postgres", "redis", "kafka", "migrate", "serve", "build", "train"}


def test_the_image_is_built_from_files_that_there_are_and_is_not_root() -> None:
    with (OPS / "Dockerfile").open("rb") as file:
        steps = DockerfileParser(fileobj=file).structure
    copied = [each["value"].split()[0] for each in steps if each["instruction"] == "COPY"]
    assert copied
    assert all((ROOT / each).exists() for each in copied)
    users = [each["value"] for each in steps if each["instruction"] == "USER"]
    assert users == ["10001"]
    order = [each["instruction"] for each in steps if each["instruction"] != "COMMENT"]
    assert order[0] == "FROM"
    assert order.index("USER") > max(place for place, each in enumerate(order) if each == "RUN")
    [start] = [json.loads(each["value"]) for each in steps if each["instruction"] == "CMD"]
    assert set(start) <= commands()


def test_the_image_owns_the_folders_that_compose_covers_with_volumes() -> None:
    services = yaml.safe_load((OPS / "compose.yaml").read_text())["services"].values()
    mounts = [mount for each in services if each["image"] == "tagway" for mount in each.get("volumes", ())]
    covered = {mount.partition(":")[2] for mount in mounts}
    owned = re.search(r"&& chown tagway (.+)", (OPS / "Dockerfile").read_text())
    assert owned
    assert covered == set(owned[1].split())


def test_the_image_gets_its_packages_and_nothing_that_a_working_folder_holds() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    ignored, *rules = [each for each in (ROOT / ".dockerignore").read_text().splitlines() if not each.startswith("#")]
    assert ignored == "*"
    let_in = {each[1:] for each in rules if each.startswith("!")}
    assert let_in == {*packages, "pyproject.toml", "README.md", "requirements"}


def test_prometheus_reads_every_rule_and_panel() -> None:
    groups = yaml.safe_load((OPS / "alerts.yaml").read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
        assert DURATION.fullmatch(rule.get("for", "1m"))
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"]["summary"]
        promql_parser.parse(rule["expr"])
    dashboard = json.loads((OPS / "dashboard.json").read_text())
    targets = [target for panel in dashboard["panels"] for target in panel["targets"]]
    assert targets
    for target in targets:
        promql_parser.parse(target["expr"])
    with pytest.raises(ValueError, match="unclosed"):
        promql_parser.parse("sum(rate(tagway_events_total[5m])")
