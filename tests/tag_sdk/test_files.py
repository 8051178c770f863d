import base64
import gzip
import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tag_sdk import files
from tests.lacking import missing

ROOT = Path(__file__).parents[2]
DIST = ROOT / "tag_sdk" / "dist"


def test_core_is_at_most_7_kb_gzip() -> None:
    assert len(gzip.compress(files.tag_source())) <= 7 * 1024


def test_loader_snippet_is_at_most_300_bytes_gzip_as_a_site_pastes_it() -> None:
    snippet = files.loader_snippet("https://collect.example.com", "wk_0123456789abcdef0123")
    assert len(gzip.compress(snippet.encode())) <= 300


def digest(source: bytes) -> str:
    return "sha384-" + base64.b64encode(hashlib.sha384(source).digest()).decode()


def test_integrity_is_the_hash_of_the_built_tag_and_of_each_part() -> None:
    assert files.integrity() == digest(files.tag_source())
    assert files.part_hashes() == {name: digest(files.part_source(name)) for name in files.part_hashes()}
    assert {f"{path.parent.name}/{path.stem}" for path in DIST.glob("*/*.js")} == set(files.part_hashes())


def test_a_part_is_at_most_2_kb_gzip() -> None:
    sizes = {name: len(gzip.compress(files.part_source(name))) for name in files.part_hashes()}
    assert {name: size for name, size in sizes.items() if size > 2048} == {}


def test_only_built_parts_can_be_asked_for() -> None:
    with pytest.raises(KeyError):
        files.part_source("../tag")


def test_site_tag_carries_the_hashes_of_the_parts_that_it_names() -> None:
    settings = {"writeKey": "wk", "consentFrom": {"tcf": {}, "unknown": {}}, "extras": {"live": {}}}
    value = files.site_tag(settings).decode().splitlines()[0].removesuffix(";").split("=", 1)[1]
    named = ("consent/tcf", "extras/live")
    assert json.loads(value)["files"] == {name: files.part_hashes()[name] for name in named}


def test_site_tag_carries_its_settings_and_cannot_end_a_script_element() -> None:
    text = files.site_tag({"writeKey": "</script>"}).decode()
    assignment = text.splitlines()[0]
    assert "</script>" not in assignment
    value = assignment.removesuffix(";").split("=", 1)[1]
    assert json.loads(value) == {"writeKey": "</script>"}
    assert text.encode().endswith(files.tag_source())


def test_tag_evaluates_nothing() -> None:
    sources = [files.tag_source(), *map(files.part_source, files.part_hashes())]
    source = b"".join(sources).decode()
    assert not [word for word in ("eval(", "Function(", "innerHTML", "document.write") if word in source]


def test_fresh_build_equals_the_committed_files(tmp_path: Path) -> None:
    if shutil.which("npm") is None:
        missing("no Node on this machine")
    subprocess.run([ROOT / "scripts" / "tag", tmp_path], check=True, capture_output=True, timeout=110)
    built = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    committed = {path.relative_to(ROOT) for path in DIST.rglob("*") if path.is_file()}
    assert built == committed | {Path("console/demo/static/loader.js")}
    for name in built:
        assert (tmp_path / name).read_bytes() == (ROOT / name).read_bytes(), f"{name} is stale: run `make tag`"


def test_lock_names_no_registry() -> None:
    assert "://" not in (ROOT / "tag_sdk" / "package-lock.json").read_text().replace("https://opencollective", "")
