import base64
import gzip
import hashlib
import json
import shutil
import subprocess
from pathlib import Path

from tag_sdk import files
from tests.lacking import missing

ROOT = Path(__file__).parents[2]
BUILT = ["tag_sdk/dist/tag.js", "tag_sdk/dist/tag.js.sha384", "tag_sdk/dist/loader.js", "console/demo/static/loader.js"]


def test_core_is_at_most_7_kb_gzip() -> None:
    assert len(gzip.compress(files.tag_source())) <= 7 * 1024


def test_loader_snippet_is_at_most_300_bytes_gzip_as_a_site_pastes_it() -> None:
    snippet = files.loader_snippet("https://collect.example.com", "wk_0123456789abcdef0123")
    assert len(gzip.compress(snippet.encode())) <= 300


def test_integrity_is_the_hash_of_the_built_tag() -> None:
    digest = base64.b64encode(hashlib.sha384(files.tag_source()).digest()).decode()
    assert files.integrity() == f"sha384-{digest}"


def test_site_tag_carries_its_settings_and_cannot_end_a_script_element() -> None:
    text = files.site_tag({"writeKey": "</script>"}).decode()
    assignment = text.splitlines()[0]
    assert "</script>" not in assignment
    value = assignment.removesuffix(";").split("=", 1)[1]
    assert json.loads(value) == {"writeKey": "</script>"}
    assert text.encode().endswith(files.tag_source())


def test_tag_evaluates_nothing() -> None:
    source = files.tag_source().decode()
    assert not [word for word in ("eval(", "Function(", "innerHTML", "document.write") if word in source]


def test_fresh_build_equals_the_committed_files(tmp_path: Path) -> None:
    if shutil.which("npm") is None:
        missing("no Node on this machine")
    subprocess.run([ROOT / "scripts" / "tag", tmp_path], check=True, capture_output=True, timeout=110)
    for name in BUILT:
        assert (tmp_path / name).read_bytes() == (ROOT / name).read_bytes(), f"{name} is stale: run `make tag`"


def test_lock_names_no_registry() -> None:
    assert "://" not in (ROOT / "tag_sdk" / "package-lock.json").read_text().replace("https://opencollective", "")
