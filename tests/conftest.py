from pathlib import Path

import pytest
from hypothesis import settings

_FIXTURES = Path(__file__).parent / "fixtures"
pytest_plugins = [f"tests.fixtures.{path.stem}" for path in sorted(_FIXTURES.glob("*.py"))]
pytest.register_assert_rewrite(*pytest_plugins)  # before the first of them imports another

settings.register_profile("patient", settings.default, deadline=None)
settings.load_profile("patient")  # a busy machine makes no property false

_SERVERS = {"server_folder", "kafka_broker", "browser", "movielens_path"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--documents", type=int, default=240, help="random GraphQL documents, of each kind of schema")


@pytest.fixture
def documents(request: pytest.FixtureRequest) -> int:
    number: int = request.config.getoption("--documents")
    return number


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "services: needs a server or a fetched data set; left out by `make unit`")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _SERVERS & set(getattr(item, "fixturenames", ())):
            item.add_marker("services")
