"""``docs/configuration.md``, made from the settings themselves: ``python -m hafailover.config.reference``."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from hafailover.config.place import ENV_DELIMITER, ENV_PREFIX
from hafailover.config.settings import Settings
from hafailover.timing import PROFILES, Profile

HEAD = """\
# Configuration reference

<!-- Made by `make docs` from src/hafailover/config/settings.py; a test holds the two together. -->

Agent and guard read the same settings, from three places. The strongest comes first:

1. the command line: `hafailover run --consul.address http://127.0.0.1:8500`
2. the environment: `HAFAILOVER_CONSUL__ADDRESS=http://127.0.0.1:8500`
3. a TOML file: `--config FILE`, else `$HAFAILOVER_CONFIG`, else `/etc/hafailover/config.toml`

```toml
account_id = "mypool.poolv1.near"
validator_key_file = "/var/lib/hafailover/validator_key.json"

[neard]
home = "/var/lib/neard"
```

Secrets are never settings: they are read from files, whose paths are settings, or from the systemd
credentials `validator_key`, `consul_token` and those of `[notify]`. A wrong setting stops the program at its
start with one message that names the setting and the fix. So does one that there is not, in the file or as a
variable `HAFAILOVER_...`.
"""


def reference() -> str:
    """The whole page, in Markdown."""
    parts = [HEAD]
    top: list[str] = []
    for name, field in Settings.model_fields.items():
        section = _section(field)
        if section is None:
            top.append(_row(name, field))
        else:
            parts.append(_table(f"[{name}]", _doc(section), list(_rows(name, section))))
    parts.insert(1, _table("Top level", "", top))
    parts.append(_profiles())
    return "\n".join(parts)


def _rows(prefix: str, section: type[BaseModel]) -> Iterator[str]:
    for name, field in section.model_fields.items():
        yield _row(f"{prefix}.{name}", field)


def _row(name: str, field: FieldInfo) -> str:
    variable = ENV_PREFIX + name.upper().replace(".", ENV_DELIMITER)
    description = (field.description or "").replace("|", "\\|")
    return f"| `{name}` | {_kind(field.annotation)} | {_default(field)} | {description} | `{variable}` |"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    if field.default_factory is not None:
        return "see text"
    value: Any = field.default
    if value is None or value == ():
        return "none"
    if isinstance(value, tuple):
        return "all"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _kind(annotation: Any) -> str:
    origin = get_origin(annotation)
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in get_args(annotation))
    if origin is typing.Annotated:
        return _kind(get_args(annotation)[0])
    arguments = [one for one in get_args(annotation) if one not in (type(None), Ellipsis)]
    if origin is tuple:
        return "list of texts"
    if arguments:
        return _kind(arguments[0])
    return {str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path"}[
        annotation
    ]


def _section(field: FieldInfo) -> type[BaseModel] | None:
    annotation = field.annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return None


def _doc(section: type[BaseModel]) -> str:
    return (section.__doc__ or "").strip()


def _table(title: str, text: str, rows: list[str]) -> str:
    head = ["| setting | kind | default | what it is | environment |", "|---|---|---|---|---|"]
    return "\n".join([f"## {title}", "", *([text, ""] if text else []), *head, *rows, ""])


def _profiles() -> str:
    def row(title: str, get: Any) -> str:
        return f"| {title} | " + " | ".join(get(profile) for profile in PROFILES.values()) + " |"

    def seconds(name: str) -> Any:
        return lambda profile: f"{getattr(profile, name):g}"

    def wait(profile: Profile) -> str:
        return f"{profile.successor_wait_s(profile.gone_within_s):.2f}"

    lines = [
        "## Timing profiles",
        "",
        "In seconds. The last two rows follow from the others.",
        "",
        "| | " + " | ".join(f"`{name}`" for name in PROFILES) + " |",
        "|---|" + "---|" * len(PROFILES),
    ]
    for name in (
        "beat_s",
        "call_deadline_s",
        "retry_s",
        "fence_after_s",
        "drop_budget_s",
        "margin_s",
        "margin_rate",
        "session_ttl_s",
        "check_ttl_s",
    ):
        lines.append(row(f"`timing.{name}`", seconds(name)))
    lines.append(row("the key is gone so long after the last good beat was sent", seconds("gone_within_s")))
    lines.append(row("a successor arms so long after it first saw that beat", wait))
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    print(reference(), end="")
