"""Types that frontends generate of the schema: what is made of them compiles, and what is wrong does not."""

import asyncio
import sys
from pathlib import Path
from typing import ClassVar

from graphql import parse, print_ast
from strawberry.codegen import QueryCodegen
from strawberry.codegen.plugins.python import PythonPlugin, PythonType

from resolvers.schema import build_schema
from tests.fixtures.clients import CLIENTS, node

SDL = Path(__file__).parents[2] / "resolvers" / "schema.graphql"
OPERATIONS = CLIENTS / "typed" / "operations.graphql"
STRICT = ("--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--moduleResolution", "nodenext")

USE = """
from person import PersonResult
from save import SaveResult, SaveVariables
from watch import StateKind, WatchResult


def keys(answer: PersonResult) -> list[str]:
    return [each.segment.key for each in answer.profile.segments] if answer.profile else []


def is_news(answer: WatchResult, known: int) -> bool:
    change = answer.profile_changes
    return change.kind is StateKind.RESYNC or (change.profile_version or 0) > known


def saved(answer: SaveResult) -> object:
    return answer.save_segment
"""
WRONG = """
from person import PersonResult


def key(answer: PersonResult) -> int:
    return answer.profile.id
"""


class _Python(PythonPlugin):
    SCALARS_TO_PYTHON_TYPES: ClassVar[dict[str, PythonType]] = {
        **PythonPlugin.SCALARS_TO_PYTHON_TYPES,
        "JSON": PythonType("Any", "typing"),
    }


async def test_a_frontend_in_typescript_compiles_on_generated_types(tmp_path: Path) -> None:
    """The stock code generator reads the committed SDL; the file beside it says what must compile and what must not."""
    generator = await node("typed.mjs", str(SDL), str(tmp_path))
    assert await asyncio.wait_for(generator.wait(), 120) == 0
    compiler = await node("node_modules/typescript/bin/tsc", *STRICT, str(tmp_path / "frontend.ts"))
    output, _ = await asyncio.wait_for(compiler.communicate(), 240)
    assert compiler.returncode == 0, output.decode()


async def test_a_client_in_python_is_checked_on_generated_types(tmp_path: Path) -> None:
    """Strawberry's own generator, on the schema whose SDL another test compares with the committed one."""
    schema = build_schema()
    for operation in parse(OPERATIONS.read_text()).definitions:
        text = print_ast(operation)
        name = f"{operation.to_dict()['name']['value'].lower()}.graphql"
        for file in QueryCodegen(schema, plugins=[_Python(Path(name))]).run(text).files:
            (tmp_path / file.path).write_text(file.content)
    (tmp_path / "use.py").write_text(USE)
    (tmp_path / "wrong.py").write_text(WRONG)
    assert await _mypy(tmp_path, "use.py") == ""
    wrong = await _mypy(tmp_path, "wrong.py")
    assert 'has no attribute "id"' in wrong
    assert 'expected "int"' in wrong


async def _mypy(folder: Path, file: str) -> str:
    """Check a file strictly; return what is wrong with it."""
    options = ("--strict", "--no-error-summary", "--config-file", "", "--cache-dir", "cache")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mypy", *options, file, cwd=folder, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await asyncio.wait_for(process.communicate(), 240)
    return output.decode().strip()
