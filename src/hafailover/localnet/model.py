"""What a localnet consists of, as written to localnet.json in its folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hafailover.localnet.errors import LocalnetError
from hafailover.near.rpc import NeardRpc

FILE_NAME = "localnet.json"

Role = Literal["validator", "host"]


@dataclass(frozen=True)
class LocalnetNode:
    """A neard home: a plain validator, or a failover host that shares the pool's key with the others."""

    name: str
    role: Role
    home: Path
    rpc_addr: str
    """host:port of neard's RPC."""
    network_addr: str
    """host:port on which neard talks to its peers."""

    @property
    def rpc_url(self) -> str:
        """The base URL of neard's RPC."""
        return f"http://{self.rpc_addr}"

    def rpc(self, deadline_s: float = 2.0) -> NeardRpc:
        """A connection to neard's RPC. :param deadline_s: the longest that a call may take."""
        host, _, port = self.rpc_addr.rpartition(":")
        return NeardRpc(host.strip("[]"), int(port), deadline_s)


@dataclass(frozen=True)
class Pool:
    """The validator that the failover hosts stand for."""

    account_id: str
    public_key: str
    credential: Path
    """The validator key (mode 0600), outside every neard home."""


@dataclass(frozen=True)
class Localnet:
    """A localnet in a folder."""

    home: Path
    neard: Path
    """The binary that made it and runs it."""
    chain_id: str
    block_time_s: float
    nodes: tuple[LocalnetNode, ...]
    pool: Pool

    @property
    def validators(self) -> tuple[LocalnetNode, ...]:
        """The plain validators, which are run as they are."""
        return tuple(node for node in self.nodes if node.role == "validator")

    @property
    def hosts(self) -> tuple[LocalnetNode, ...]:
        """The homes for the failover hosts, whose neard a guard runs."""
        return tuple(node for node in self.nodes if node.role == "host")

    @property
    def log_folder(self) -> Path:
        """Where the validators' logs go."""
        return self.home / "log"

    def node(self, name: str) -> LocalnetNode:
        """Return a node by name. Raises LocalnetError if there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise LocalnetError(
            f"no node {name} in {self.home}; there are {', '.join(one.name for one in self.nodes)}"
        )

    def save(self) -> None:
        """Write localnet.json at one stroke, with relative paths, so that the folder can be moved."""
        document = _Document(
            format=1,
            neard=self.neard,
            chain_id=self.chain_id,
            block_time_s=self.block_time_s,
            pool=_PoolDocument(
                account_id=self.pool.account_id,
                public_key=self.pool.public_key,
                credential=self.pool.credential.relative_to(self.home),
            ),
            nodes=[
                _NodeDocument(
                    name=node.name,
                    role=node.role,
                    home=node.home.relative_to(self.home),
                    rpc_addr=node.rpc_addr,
                    network_addr=node.network_addr,
                )
                for node in self.nodes
            ],
        )
        new = self.home / f".{FILE_NAME}.new"
        new.write_text(document.model_dump_json(indent=2) + "\n", encoding="utf-8")
        new.replace(self.home / FILE_NAME)

    @classmethod
    def load(cls, home: Path) -> Self:
        """Read the localnet in a folder. Raises LocalnetError, naming file and key, if it is not good."""
        home = home.absolute()
        path = home / FILE_NAME
        try:
            document = _Document.model_validate_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise LocalnetError(
                f"no localnet in {home}; make one: hafailover localnet init --home {home}"
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise LocalnetError(f"{path} cannot be read: {error}") from error
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the file"
            raise LocalnetError(
                f"{path}: {where}: {first['msg']}; make the localnet anew with init --force"
            ) from None
        return cls(
            home=home,
            neard=document.neard,
            chain_id=document.chain_id,
            block_time_s=document.block_time_s,
            nodes=tuple(
                LocalnetNode(one.name, one.role, home / one.home, one.rpc_addr, one.network_addr)
                for one in document.nodes
            ),
            pool=Pool(document.pool.account_id, document.pool.public_key, home / document.pool.credential),
        )


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _NodeDocument(_Strict):
    name: str
    role: Role
    home: Path
    rpc_addr: str
    network_addr: str


class _PoolDocument(_Strict):
    account_id: str
    public_key: str
    credential: Path


class _Document(_Strict):
    format: Literal[1]
    neard: Path
    chain_id: str
    block_time_s: float = Field(gt=0)
    pool: _PoolDocument
    nodes: list[_NodeDocument] = Field(min_length=1)
