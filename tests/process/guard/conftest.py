"""A host for each test."""

from collections.abc import Iterator

import pytest

from .host import SECRETS, GuardHost


@pytest.fixture
def host() -> Iterator[GuardHost]:
    with GuardHost() as host:
        yield host
        # Whatever happened: no secret in what was written, and none left in neard's home but this host's own.
        written = host.text()
        for secret in SECRETS:
            assert secret not in written
        assert "Traceback" not in written, written


@pytest.fixture(scope="module")
def shared_host() -> Iterator[GuardHost]:
    """One armed host for tests that take nothing from it; they extend its grant as they go."""
    with GuardHost() as host:
        host.loaded(5, grant_s=14.0)
        yield host
