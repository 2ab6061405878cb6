"""Pure tests (``test_pure_*.py``) need no database: they run without a registry, in seconds."""

import pytest
import pytest_odoo


def _is_pure(item):
    return item.path.name.startswith("test_pure_")


@pytest.fixture(scope="session", autouse=True)
def load_registry(request):
    """Stand in front of pytest-odoo's fixture, which opens the database in any case."""
    if all(map(_is_pure, request.session.items)):
        yield
        return
    yield from pytest_odoo.load_registry.__wrapped__()
