"""Every setting of agent and guard. Sources, strongest first: command line, environment, TOML file.

``HAFAILOVER_CONSUL__ADDRESS`` is ``consul.address`` in the file and ``--consul.address`` on the command line.
``docs/configuration.md`` is generated from this module.
"""

from __future__ import annotations

import ipaddress
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from hafailover.config.place import CONSUL_ADDRESS, ENV_DELIMITER, ENV_PREFIX, STATE_DIR, host_name
from hafailover.near.keyfile import is_account_id
from hafailover.near.port import port_number
from hafailover.near.routing import DEFAULT, ValidatorRouting
from hafailover.text import is_node_name
from hafailover.timing import PROFILES, Profile, violations, with_changes

ADDRESS = re.compile(r"(https?)://(\[[0-9A-Fa-f:]+\]|[^/:\[\]]+)(?::(\d+))?/?")

HOST_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9_])?")

Seconds = Annotated[float, Field(gt=0, le=3600)]


def _not_empty(value: Any) -> Any:
    if value == "":
        # It would mean the present folder.
        raise ValueError("must not be empty; leave it out instead")
    return value


FilePath = Annotated[Path, BeforeValidator(_not_empty)]


def _endpoint(value: str, example: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or port_number(port) is None:
        raise ValueError(f"must be an address and a port, such as {example}")
    return value


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ConsulSettings(_Section):
    """How to reach Consul's HTTP API: the agent on this host."""

    address: str = Field(default=CONSUL_ADDRESS, description="URL of the local Consul agent's HTTP API.")
    token_file: FilePath | None = Field(
        None,
        description="File with the ACL token. Default: the systemd credential consul_token, if there is one.",
    )
    ca_file: FilePath | None = Field(None, description="CA certificate that Consul's is checked against.")
    cert_file: FilePath | None = Field(None, description="Client certificate, where Consul asks for one.")
    key_file: FilePath | None = Field(
        None, description="Private key of the client certificate, without a passphrase."
    )
    user: Annotated[str, Field(min_length=1, max_length=256)] | None = Field(
        None,
        description="User that Consul runs as, by name or number: without TLS, nothing is sent to another "
        "user's listener on loopback. root and the agent's own user are believed, too. Default: consul, if "
        "there is such a user.",
    )

    @field_validator("address")
    @classmethod
    def _an_url(cls, value: str) -> str:
        match = ADDRESS.fullmatch(value)
        if match is None or (match[3] is not None and port_number(match[3]) is None):
            raise ValueError("must be a URL such as http://127.0.0.1:8500")
        return value

    @model_validator(mode="after")
    def _whole_pair(self) -> ConsulSettings:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("consul.cert_file and consul.key_file go together: set both or none")
        return self


class NeardSettings(_Section):
    """The neard that this host runs."""

    home: FilePath | None = Field(
        None, description="neard's home folder, with config.json and node_key.json."
    )
    binary: str = Field(
        "neard",
        description="neard's binary: a path, or a name that is looked up in $PATH. A script must `exec` "
        "neard, with no docker, sudo, runuser or tini in between.",
    )
    rpc_address: str | None = Field(
        None, description="Address and port of neard's RPC. Default: rpc.addr of neard's config.json."
    )
    args: tuple[str, ...] = Field((), description="Further arguments after `neard --home HOME run`.")
    validator_routing: ValidatorRouting = Field(
        DEFAULT,
        description="How the other validators' messages reach the pool's; `prepare-home` writes it into "
        "config.json. relayed: over neard's ordinary connections (TIER1 off), so that the next holder of the "
        "key produces at once however the last one went. direct: over connections of their own, as neard "
        "does by default; they outlive a host that vanishes by some 15 min, in which the pool produces "
        "nothing. See decisions/validator-routing.md.",
    )

    @field_validator("rpc_address")
    @classmethod
    def _an_endpoint(cls, value: str | None) -> str | None:
        return _endpoint(value, "127.0.0.1:3030") if value is not None else None

    @field_validator("args")
    @classmethod
    def _leave_the_rpc(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for word in value:
            name = word.partition("=")[0]
            if name == "--rpc-addr":
                raise ValueError(
                    "--rpc-addr would move neard's RPC away from where the guard looks; "
                    "set rpc.addr in config.json instead"
                )
            if name == "--disable-rpc":
                raise ValueError(
                    "--disable-rpc would leave the guard blind: a failover needs neard's RPC; leave it out"
                )
        return value

    stop_s: Seconds = Field(
        240.0,
        description="How long a neard that is stopped without hurry may take before SIGKILL, in seconds.",
    )

    @property
    def rpc_is_known(self) -> bool:
        """Whether neard's RPC can be found."""
        return self.home is not None or self.rpc_address is not None


class TimingSettings(_Section):
    """The lease's timing: a profile, and single values over it. Rules are checked at start."""

    profile: Literal["default", "fast", "wide"] = Field(
        "default",
        description="default: Consul servers on the hosts; fast: idle machines; wide: long distances.",
    )
    beat_s: Seconds | None = Field(None, description="From one beat to the next, in seconds.")
    call_deadline_s: Seconds | None = Field(None, description="The longest one call to Consul may take.")
    retry_s: Seconds | None = Field(None, description="From a failed beat to the next try.")
    fence_after_s: Seconds | None = Field(
        None, description="The active gives up its key so long after its last good beat was sent."
    )
    drop_budget_s: Seconds | None = Field(
        None, description="From the decision to drop to the key's confirmed absence, SIGKILL included."
    )
    margin_s: Seconds | None = Field(None, description="What a successor waits beyond that.")
    margin_rate: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None, description="What it waits in addition, as a fraction: so far two hosts' clocks may run apart."
    )
    session_ttl_s: Annotated[int, Field(ge=10, le=86400)] | None = Field(
        None, description="TTL of the Consul session, a backstop: Consul lets it live up to twice that."
    )
    check_ttl_s: Seconds | None = Field(None, description="TTL of the check that notices a frozen agent.")

    def resolve(self) -> Profile:
        """The profile with this host's changes."""
        return with_changes(PROFILES[self.profile], self.model_dump(exclude={"profile"}))

    @property
    def changes(self) -> str:
        """This host's changes to the profile, for people."""
        given = self.model_dump(exclude={"profile"}, exclude_none=True)
        return ", ".join(f"{name}={value:g}" for name, value in given.items())

    @model_validator(mode="after")
    def _safe(self) -> TimingSettings:
        broken = violations(self.resolve())
        if broken:
            raise ValueError("; ".join(broken))
        return self


class StandbySettings(_Section):
    """What a host must be to take over."""

    max_lag_blocks: Annotated[int, Field(ge=0, le=1000)] = Field(
        5, description="Blocks that a ready standby may be behind the others."
    )
    min_peers: Annotated[int, Field(ge=0, le=1000)] = Field(
        1, description="Peers that a ready standby's neard must have."
    )
    max_head_age_s: Seconds = Field(
        30.0, description="A head that has not moved for so long, while others moved on, is not ready."
    )
    require_shadow: bool = Field(
        True,
        description="With hot swap, a standby must have tracked_shards_config ShadowValidator for the pool.",
    )
    restart_after_drop: bool = Field(
        True,
        description="Restart the neard that held the key as another host takes it over (it would go on "
        "advertising itself for it, and swallow messages for the validator).",
    )


NotifyEvent = Literal[
    "became_active",
    "ceased",
    "fenced",
    "resumed",
    "drill_failed",
    "foreign_signer",
    "not_producing",
    "producing",
]
NOTIFY_EVENTS: tuple[NotifyEvent, ...] = get_args(NotifyEvent)


class NotifySettings(_Section):
    """Whom to tell of changes, and of what; see notifications.md. Without a file, nobody."""

    webhook_file: FilePath | None = Field(
        None,
        description="File with the URLs of webhooks, one a line. "
        "Default: the systemd credential notify_webhook.",
    )
    webhook_secret_file: FilePath | None = Field(
        None,
        description="File with the secret that webhooks are signed with. "
        "Default: the systemd credential notify_secret.",
    )
    apprise_file: FilePath | None = Field(
        None,
        description="File with the URLs of Slack, Matrix, e-mail and so on, as apprise has them, one a line. "
        "Default: the systemd credential notify_apprise.",
    )
    events: tuple[NotifyEvent, ...] = Field(
        NOTIFY_EVENTS, description="What is told: " + ", ".join(NOTIFY_EVENTS) + "."
    )
    timeout_s: Annotated[float, Field(gt=0, le=60)] = Field(
        10.0, description="How long one try may take, in seconds."
    )
    give_up_s: Seconds = Field(600.0, description="How long a message is tried again, in seconds.")
    repeat_after_s: Annotated[float, Field(ge=0, le=7 * 86400)] = Field(
        3600.0, description="The same event of the same term is told again only so long after the last time."
    )


class HttpSettings(_Section):
    """Who may read the status page, the metrics and the rest of the agent's HTTP."""

    token_file: FilePath | None = Field(
        None,
        description="File with a token that every request must show: `Authorization: Bearer`, or in a "
        "browser as the password of any user.",
    )
    tls_cert_file: FilePath | None = Field(
        None, description="Certificate, with those that lead to its CA: HTTPS instead of HTTP."
    )
    tls_key_file: FilePath | None = Field(
        None, description="Private key of the certificate, without a passphrase."
    )
    allow_plain: bool = Field(
        False,
        description="Whether an address other than loopback may be listened on without TLS and without a "
        "token: for trusted networks.",
    )
    names: tuple[str, ...] = Field(
        (),
        description="Further names that this machine may be asked by where there is neither TLS nor a token; "
        "addresses, `localhost`, the host in `listen`, `node_name` and the machine's own name always do.",
    )

    @field_validator("names")
    @classmethod
    def _host_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(HOST_NAME.fullmatch(name) for name in value):
            raise ValueError("must be host names without a port, such as host1.example.com")
        return value

    @model_validator(mode="after")
    def _whole_pair(self) -> HttpSettings:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("http.tls_cert_file and http.tls_key_file go together: set both or none")
        return self

    @property
    def guarded(self) -> bool:
        return self.token_file is not None or self.tls_cert_file is not None


class Settings(BaseSettings):
    """All settings."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter=ENV_DELIMITER,
        # An empty variable in a unit's environment means that nothing is set.
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        cli_kebab_case=True,
        cli_hide_none_type=True,
        cli_avoid_json=True,
        cli_prog_name="hafailover run",
        nested_model_default_partial_update=True,
    )

    account_id: str = Field(description="The pool's account, such as pool.poolv1.near.")
    node_name: str = Field(
        default_factory=host_name, description="This host's name in the pool. Default: the machine's name."
    )
    priority: Annotated[int, Field(ge=-100, le=100)] = Field(
        0, description="Which ready standby takes over first: the highest."
    )
    promotion: Literal["hot", "restart"] = Field(
        "hot", description="hot: swap the key into the running neard; restart: for neards that cannot."
    )
    validator_key_file: FilePath | None = Field(
        None,
        description="The pool's key, outside of neard's home, readable by the guard alone. "
        "Default: the systemd credential validator_key.",
    )
    validator_node_key_file: FilePath | None = Field(
        None, description="With promotion = restart: the node key that goes with the validator key."
    )
    guard_socket: FilePath = Field(
        Path("/run/hafailover/guard.sock"), description="Unix socket between agent and guard."
    )
    guard_agent_user: str | None = Field(
        None,
        description="The agent's user: it, root and the guard's own user may command the guard, nobody else. "
        "Default: hafailover, if there is such a user.",
    )
    state_dir: FilePath = Field(
        STATE_DIR,
        description="Where the agent notes its session for its own restart, and answers `hafailover status`.",
    )
    listen: str = Field(
        "127.0.0.1:2233",
        description="Address and port of the status page, /metrics, /healthz, /readyz and /api. Other than "
        "loopback needs a setting of [http].",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="How much is logged.")
    log_format: Literal["auto", "text", "logfmt", "json"] = Field(
        "auto",
        description="How agent and guard log. auto: text, which in the journal has no time of its own; text: "
        "always with the seconds since boot; logfmt and json: for programs, see docs/logs.md.",
    )
    http: HttpSettings = HttpSettings()
    consul: ConsulSettings = ConsulSettings()
    neard: NeardSettings = NeardSettings()
    timing: TimingSettings = TimingSettings()
    standby: StandbySettings = StandbySettings()
    notify: NotifySettings = NotifySettings()

    @field_validator("account_id")
    @classmethod
    def _an_account(cls, value: str) -> str:
        if not is_account_id(value):
            raise ValueError("must be a NEAR account id, such as pool.poolv1.near")
        return value

    @field_validator("node_name")
    @classmethod
    def _a_name(cls, value: str) -> str:
        if not is_node_name(value):
            raise ValueError("must be letters, digits, '.', '_' and '-', at most 64")
        return value

    @field_validator("listen")
    @classmethod
    def _an_endpoint(cls, value: str) -> str:
        return _endpoint(value, "127.0.0.1:2233")

    @model_validator(mode="after")
    def _not_open_to_all(self) -> Settings:
        if not (self.listens_on_loopback or self.http.guarded or self.http.allow_plain):
            raise ValueError(
                f"listen: {self.listen} can be reached from other machines; set http.tls_cert_file "
                "and http.tls_key_file, or http.token_file, or http.allow_plain = true on a trusted network"
            )
        return self

    @property
    def listens_on_loopback(self) -> bool:
        host, _ = self.listen_address
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    @property
    def listen_address(self) -> tuple[str, int]:
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def profile(self) -> Profile:
        return self.timing.resolve()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        path = settings_cls.model_config.get("toml_file")
        file = TomlConfigSettingsSource(settings_cls, path) if path else None
        return (init_settings, env_settings, *((file,) if file else ()))


def credential(name: str) -> Path | None:
    """The systemd credential of that name, if the service was given one."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    path = Path(folder) / name if folder else None
    return path if path is not None and path.exists() else None
