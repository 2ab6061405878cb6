"""Two kinds of tests: pure ones (``test_pure_*.py``) run without a database, in seconds."""

import pytest
import pytest_odoo


def pytest_addoption(parser):
    parser.addoption("--only", choices=("pure", "models"), help="run one kind of tests; ./dms test runs both")


def _is_pure(path):
    return path.name.startswith("test_pure_")


def pytest_ignore_collect(collection_path, config):
    only = config.getoption("--only")
    if only and collection_path.name.startswith("test_") and collection_path.suffix == ".py":
        return _is_pure(collection_path) != (only == "pure") or None
    return None


def pytest_collection_modifyitems(config, items):
    # A file named on the command line is collected whatever is ignored.
    only = config.getoption("--only")
    if only:
        items[:] = [item for item in items if _is_pure(item.path) == (only == "pure")]


@pytest.fixture(scope="session", autouse=True)
def load_registry(request):
    """Stand in front of pytest-odoo's fixture, which opens the database in any case."""
    if all(_is_pure(item.path) for item in request.session.items):
        yield
        return
    yield from pytest_odoo.load_registry.__wrapped__()
