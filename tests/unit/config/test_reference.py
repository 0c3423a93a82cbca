"""The reference page holds every setting, with what it is and what it is by default."""

import re
from collections.abc import Iterator

import pytest
from pydantic import BaseModel

from hafailover.config.place import ENV_PREFIX
from hafailover.config.reference import reference
from hafailover.config.settings import Settings
from hafailover.timing import PROFILES


def every_setting(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[tuple[str, str, object]]:
    """Name, description and default of each setting that a user can set."""
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from every_setting(annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field.description or "", field.default


@pytest.fixture(scope="module")
def page() -> str:
    return reference()


def row(page: str, name: str) -> list[str]:
    lines = [line for line in page.splitlines() if line.startswith(f"| `{name}` |")]
    assert len(lines) >= 1, f"{name} is not there"
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", lines[0])[1:-1]]


@pytest.mark.parametrize("name", [name for name, _, _ in every_setting()])
def test_every_setting_has_its_row(page: str, name: str) -> None:
    _, kind, default, text, variable = row(page, name)
    assert kind
    assert default
    assert len(text) > 15, "no description"
    assert text.endswith(".")
    assert variable == f"`{ENV_PREFIX}{name.upper().replace('.', '__')}`"


def test_defaults_are_the_settings_own(page: str) -> None:
    for name, _, default in every_setting():
        shown = row(page, name)[2]
        if isinstance(default, bool):
            assert shown == f"`{str(default).lower()}`"
        elif isinstance(default, int | float | str):
            assert shown == f"`{default}`"
    assert row(page, "account_id")[2] == "**required**"
    assert row(page, "neard.home")[2] == "none"


def test_no_row_is_of_nothing(page: str) -> None:
    names = {name for name, _, _ in every_setting()}
    rows = set(re.findall(r"^\| `([a-z_.]+)` \|", page, re.MULTILINE))
    assert rows == names


def test_the_profiles_figures(page: str) -> None:
    for name in ("beat_s", "fence_after_s", "drop_budget_s", "session_ttl_s"):
        line = [line for line in page.splitlines() if line.startswith(f"| `timing.{name}` |")][-1]
        cells = [cell.strip() for cell in line.split("|")[2:-1]]
        assert cells == [f"{getattr(profile, name):g}" for profile in PROFILES.values()]
