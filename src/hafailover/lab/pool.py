"""A whole pool: three Consul servers, a localnet, and failover hosts that share its last key."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path

from hafailover.lab.consul import ConsulCluster
from hafailover.lab.consul_server import ConsulServer
from hafailover.lab.errors import LabError
from hafailover.lab.host import FailoverHost
from hafailover.lab.netns import NetworkHost, make_bridge, remove_bridge
from hafailover.lab.waiting import wait_until
from hafailover.localnet.configure import EPOCH_LENGTH_BLOCKS
from hafailover.localnet.create import init_localnet
from hafailover.localnet.identity import Binary
from hafailover.localnet.processes import LocalnetProcesses
from hafailover.lock.client import Address
from hafailover.lock.errors import CallError
from hafailover.lock.policy import host_policy
from hafailover.near.routing import DEFAULT, ValidatorRouting
from hafailover.observe.look import Look
from hafailover.observe.overview import Overview

HOSTS = 3
VALIDATORS = 4
"""Of equal stake, the pool among them."""
HUB_ADDRESS = "10.213.77.254"
"""This process's and the plain validators', on the bridge."""
HOST_ADDRESS = "10.213.77.{}"
RPC_PORT = 3030
PEER_PORT = 24567


class LabPool:
    """Starts and stops everything; what runs dies with this process.

    :param folder: where all of it lives; its path must be short.
    :param neard: a real neard, or ``None`` for the stand-in.
    :param networks: whether each failover host has a network of its own, on a bridge with the plain
        validators, so that its cable can be pulled. Only in a room (:mod:`hafailover.lab.room`).
    :param acl: whether Consul has ACLs; each host has a token of its own then, in its ``token_file``.
    :param routing: the hosts' ``neard.validator_routing``.
    :param relays: so many nodes more, which run beside the plain validators and have no key.
    """

    def __init__(
        self,
        folder: Path,
        consul_binary: Path,
        *,
        neard: str | None = None,
        profile: str = "default",
        block_time_s: float = 1.0,
        links: bool = True,
        promotion: str = "hot",
        acl: bool = False,
        routing: ValidatorRouting = DEFAULT,
        networks: bool = False,
        epoch_length: int = EPOCH_LENGTH_BLOCKS,
        relays: int = 0,
    ) -> None:
        self.folder = folder
        self.neard = Binary.of(neard)
        self.localnet = init_localnet(
            folder / "net",
            neard=neard,
            validators=VALIDATORS,
            hosts=HOSTS + relays,
            block_time_s=block_time_s,
            epoch_length=epoch_length,
            places=_endpoints(relays) if networks else None,
            routing=routing,
        )
        self._looks: dict[tuple[int, str, int], Look] = {}
        homes = self.localnet.hosts[:HOSTS]
        self.relays = self.localnet.hosts[HOSTS:]
        names = [node.name for node in homes]
        self.networks = [
            NetworkHost(name, HOST_ADDRESS.format(number)) for number, name in enumerate(names, 1) if networks
        ]
        if self.networks:
            make_bridge(HUB_ADDRESS)
        for network in self.networks:
            network.make()
        self.consul = ConsulCluster(
            consul_binary,
            folder / "consul",
            servers=HOSTS,
            names=names,
            acl=acl,
            places=[network.place for network in self.networks],
        )
        plain = [node.name for node in (*self.localnet.validators, *self.relays)]
        self.validators = LocalnetProcesses(self.localnet, names=plain)
        self.hosts = [
            FailoverHost(
                folder / node.name,
                self.localnet,
                node,
                server,
                profile=profile,
                promotion=promotion,
                link=links,
                token_file=folder / f"{node.name}.token" if acl else None,
                network=network,
            )
            for node, server, network in zip(
                homes, self.consul.servers, self.networks or repeat(None, HOSTS), strict=True
            )
        ]

    @property
    def account_id(self) -> str:
        return self.localnet.pool.account_id

    def start_network(self, say: Callable[[str], None]) -> None:
        """Starts Consul and the plain validators; the failover hosts come next.

        :raises LabError: something does not come up in time.
        """
        say("starting three Consul servers")
        self.consul.start()
        for host in self.hosts:
            if host.token_file is not None:
                host.token_file.write_text(self.new_token(host))
        say("starting three plain validators")
        self.validators.start()
        self.neard.check_nodes(self.localnet.validators)

    def new_token(self, host: FailoverHost) -> str:
        """A token with the policy of a host's agent and not a right more, where Consul has ACLs.

        :raises LabError: Consul has none.
        """
        rules = host_policy(self.account_id, host.name, host.consul.name)
        return self.consul.create_token("\n".join(rules), host.name)

    def stop(self) -> None:
        """Stops everything, hosts first."""
        with ThreadPoolExecutor(max_workers=HOSTS) as pool:
            list(pool.map(lambda host: host.stop(), self.hosts))
        self.validators.stop()
        self.consul.stop()
        if self.networks:
            for network in self.networks:
                network.remove()
            remove_bridge()

    def host(self, name: str) -> FailoverHost:
        return next(host for host in self.hosts if host.name == name)

    def look(self) -> Overview:
        """The pool as ``hafailover status`` sees it, through any Consul server that answers.

        :raises LabError: none does.
        """
        problem = "no Consul server runs"
        for server in self.consul.servers:
            if not server.is_responsive():
                continue
            try:
                return self._looks_at(server).take()
            except CallError as error:
                problem = str(error)
        raise LabError(f"the pool cannot be seen: {problem}")

    def _looks_at(self, server: ConsulServer) -> Look:
        """One connection for each thread: looks are taken several times a second, and Consul bears 200."""
        host, port = server.place.address, server.http_port
        key = (threading.get_ident(), host, port)
        if key not in self._looks:
            token = self.consul.management_token
            self._looks[key] = Look(Address(host=host, port=port, token=token), self.account_id)
        return self._looks[key]

    def try_look(self) -> Overview | None:
        """The same, or ``None`` while it cannot be seen."""
        try:
            return self.look()
        except LabError:
            return None

    def wait_settled(self, timeout_s: float = 60.0, *, steady: bool = False) -> str:
        """Waits until one host is active and all others are ready; returns the active's name.

        :param steady: waits until a planned handover to any of them costs nothing, too.
        :raises LabTimeoutError: with the state as it is.
        """
        last: list[Overview] = []

        def settled() -> bool:
            view = self.try_look()
            last[:] = [view] if view else []
            if view is None or not view.ok:
                return False
            fit = sum(
                host.ready and (host.steady or not steady or host.node == view.active) for host in view.hosts
            )
            return fit == len(self.hosts)

        def described() -> str:
            if not last:
                return "one active and two ready standbys: the pool cannot be seen"
            hosts = "; ".join(f"{host.node} {host.role}: {host.reason}" for host in last[0].hosts)
            return f"one active and two ready standbys: {hosts}"

        wait_until(settled, timeout_s=timeout_s, what=described, interval_s=0.2)
        assert last[0].active is not None
        return last[0].active


def _endpoints(relays: int) -> list[tuple[str, str]]:
    """RPC and peers' address of each node. A host's RPC is for itself, a validator's for the observer."""
    plain = [
        (f"{HUB_ADDRESS}:{RPC_PORT + number}", f"{HUB_ADDRESS}:{PEER_PORT + number}")
        for number in range(VALIDATORS - 1 + relays)
    ]
    hosts = [HOST_ADDRESS.format(number) for number in range(1, HOSTS + 1)]
    own = [(f"127.0.0.1:{RPC_PORT}", f"{host}:{PEER_PORT}") for host in hosts]
    return [*plain[: VALIDATORS - 1], *own, *plain[VALIDATORS - 1 :]]
