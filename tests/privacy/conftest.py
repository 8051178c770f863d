from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from domain.event import Call, CallType
from privacy.compiled import CompiledPlan
from privacy.keys import WorkspaceKeys
from privacy.plan import default_document, read_plan
from privacy.sealing import Sealer

WORKSPACE = UUID("018f0000-0000-7000-8000-000000000001")
SUBJECT = UUID("018f0000-0000-7000-8000-000000000002")
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)

MakeCall = Callable[..., Call]


@pytest.fixture(scope="session")
def plan() -> CompiledPlan:
    return CompiledPlan(read_plan(default_document()))


@pytest.fixture(scope="session")
def keys() -> WorkspaceKeys:
    return WorkspaceKeys(WORKSPACE, bytes(range(32)))


@pytest.fixture(scope="session")
def sealer(keys: WorkspaceKeys) -> Sealer:
    return keys.sealer(SUBJECT, keys.new_wrapped_key())


@pytest.fixture(scope="session")
def make_call() -> MakeCall:
    def make(name: str = "product_view", *, kind: CallType = CallType.TRACK, **fields: Any) -> Call:
        return Call(kind, "message-1", name, NOON, NOON, NOON, NOON, **fields)

    return make


@pytest.fixture(scope="session")
def identify(make_call: MakeCall) -> MakeCall:
    def make(**fields: Any) -> Call:
        return make_call("identify", kind=CallType.IDENTIFY, **fields)

    return make
