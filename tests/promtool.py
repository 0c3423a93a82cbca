"""promtool, prometheus and Alertmanager, found or fetched, for the tests of the monitoring."""

import subprocess
from pathlib import Path

import pytest

_CHECKOUT = Path(__file__).resolve().parent.parent
# Time to fetch Debian's package; below pytest's own timeout, which would end the whole run.
_FETCH_TIMEOUT_S = 100


@pytest.fixture(scope="session")
def promtool() -> Path:
    """A promtool that runs, with a prometheus beside it; the skip is for machines that can have neither."""
    return _had("get-promtool", "NO PROMTOOL, so the alert rules were NOT TESTED")


@pytest.fixture(scope="session")
def alertmanager() -> Path:
    """An Alertmanager that runs; the skip is for machines that cannot have it."""
    return _had("get-alertmanager", "NO ALERTMANAGER, so the way of an alert to people was NOT TESTED")


def _had(script: str, without: str) -> Path:
    done = subprocess.run(
        ["timeout", str(_FETCH_TIMEOUT_S), _CHECKOUT / "scripts" / script],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"{without}: {done.stderr}")
    return Path(done.stdout.strip())
