from pathlib import Path

import pytest
from hypothesis import settings

_FIXTURES = Path(__file__).parent / "fixtures"
pytest_plugins = [f"tests.fixtures.{path.stem}" for path in sorted(_FIXTURES.glob("*.py"))]
pytest.register_assert_rewrite(*pytest_plugins)  # before the first of them imports another

settings.register_profile("patient", settings.default, deadline=None)
settings.load_profile("patient")  # a busy machine makes no property false

_DOCUMENTS = 240
_SERVERS = {"server_folder", "kafka_broker", "guarded_broker", "browser", "movielens_path"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--documents", type=int, default=_DOCUMENTS, help="random GraphQL documents, of each kind of schema"
    )


@pytest.fixture
def documents(request: pytest.FixtureRequest) -> int:
    number: int = request.config.getoption("--documents")
    return number


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "services: needs a server or a fetched data set; left out by `make unit`")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    more = config.getoption("--documents") / _DOCUMENTS
    for item in items:
        if "documents" in getattr(item, "fixturenames", ()) and more > 1:
            item.add_marker(pytest.mark.timeout(300 * more))
        if _SERVERS & set(getattr(item, "fixturenames", ())):
            item.add_marker("services")
