"""The whole cluster: three failover hosts with Consul, and plain validators, each on the bridge."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hafailover.clock import boottime
from hafailover.demo.observer import ChainObserver
from hafailover.lab.consul import ConsulCluster
from hafailover.lab.errors import LabError
from hafailover.lab.host import FailoverHost
from hafailover.lab.netns import NetworkHost, command, make_bridge
from hafailover.lab.process import ManagedProcess
from hafailover.lab.waiting import wait_until
from hafailover.localnet.create import init_localnet
from hafailover.localnet.identity import Binary
from hafailover.localnet.running import log_path, run_command, wait_for_blocks
from hafailover.lock.client import Address
from hafailover.lock.errors import CallError
from hafailover.observe.look import Look
from hafailover.observe.overview import Overview

from .disks import IMAGES, refusal
from .machine import STATE, Machine
from .monitor import Monitor
from .places import HUB_ADDRESS, endpoints, spots

START_S = 90.0
SAFE_S = 120.0
"""The longest that the pool may take to be safe again once all faults are healed."""
LEADER_CALL_S = 0.4
SERF_ALIVE = 1
STEADY_S = 1.5
"""How long all has to be in order: gossip may still be about to give up on somebody."""
EPOCH_BLOCKS = 100_000
"""Longer than any run, so that blocks are counted in one epoch."""
BLOCK_S = 1.0
DISK_MIB = 32
"""For neard's data."""
REAL_DISK_MIB = 2048
"""What a real neard's database needs, and more."""
LAST_CHOICE = -1
"""A priority."""

Say = Callable[[str], None]


class Cluster:
    """Starts, knows and ends everything. In a network and mount namespace of the run's own.

    :param folder: where all of it lives; its path must be short.
    :param neard: a real neard, or ``None`` for the stand-in.
    :param marker: put into the environment of every process.
    :param keep_one: the last host's agent, guard and Consul are not to be ended. So that faults of the active
        strike them all the same, it is the last choice for one.
    """

    def __init__(
        self,
        folder: Path,
        consul_binary: Path,
        neard: str | None,
        marker: Mapping[str, str],
        *,
        keep_one: bool = False,
    ) -> None:
        self.neard = Binary.of(neard)
        self.stand_in = self.neard.stand_in
        # A chain stands still without two thirds of the stake, also while the pool's signer changes.
        plain, hosts = spots(3)
        self.no_disk_hangs = refusal()
        """Why no disk can hang here, or an empty text."""
        self.kept = hosts[-1].name if keep_one else None
        self._marker = marker
        self._folder = folder
        self.localnet = init_localnet(
            folder / "net",
            neard=neard,
            validators=len(plain) + 1,
            hosts=len(hosts),
            block_time_s=BLOCK_S,
            epoch_length=EPOCH_BLOCKS,
            places=endpoints(plain, hosts),
        )
        self.networks = {spot.name: NetworkHost(spot.name, spot.address) for spot in [*plain, *hosts]}
        names = [spot.name for spot in hosts]
        self.consul = ConsulCluster(
            consul_binary,
            folder / "consul",
            servers=len(hosts),
            names=names,
            places=[self.networks[name].place for name in names],
        )
        self._validators: list[ManagedProcess] = []
        self.machines = [
            Machine(
                FailoverHost(
                    folder / node.name,
                    self.localnet,
                    node,
                    server,
                    priority=LAST_CHOICE if node.name == self.kept else 0,
                    link=False,
                    state=folder / node.name / STATE,
                ),
                self.networks[node.name],
                marker,
            )
            for node, server in zip(self.localnet.hosts, self.consul.servers, strict=True)
        ]
        chain = ChainObserver(self.localnet.validators, self.localnet.pool.account_id)
        self.monitor = Monitor(self.machines, chain, self.localnet.pool.public_key)
        self._looks: dict[str, Look] = {}
        self._watched = False

    def start(self, say: Say) -> None:
        """Brings everything up and waits until the pool is whole. :raises LabError: it does not come up."""
        make_bridge(HUB_ADDRESS)
        for network in self.networks.values():
            network.make()
        images = self._folder / IMAGES
        images.mkdir()
        command(["mount", "-t", "tmpfs", "tmpfs", str(images)])
        for machine in self.machines:
            machine.mount(images, DISK_MIB if self.stand_in else REAL_DISK_MIB, hangs=self.disks_hang)
        say(f"{len(self.networks)} hosts are on the bridge, in {self._folder}")
        say("starting Consul and the plain validators")
        for machine in self.machines:
            machine.units["consul"].begin()
        for node in self.localnet.validators:
            self._validators.append(
                ManagedProcess.start(
                    node.name,
                    self.networks[node.name].place.command(run_command(self.localnet, node)),
                    log_path=log_path(self.localnet, node),
                    extra_env=self._marker,
                )
            )
        self.consul.wait_whole(START_S)
        wait_for_blocks(self.localnet, self.localnet.validators, timeout_s=START_S)
        self.neard.check_nodes(self.localnet.validators)
        say("starting guards and agents")
        for machine in self.machines:
            machine.begin()
        self._watched = True
        self.monitor.start()
        self.wait_whole(START_S)

    def close(self) -> None:
        """Ends everything, whatever state it is in."""
        if self._watched:
            self.monitor.stop()
        with ThreadPoolExecutor(max_workers=len(self.machines)) as pool:
            list(pool.map(_close, self.machines))
        for process in self._validators:
            process.terminate(5)

    @property
    def disks_hang(self) -> bool:
        return not self.no_disk_hangs

    def machine(self, name: str) -> Machine:
        return next(machine for machine in self.machines if machine.name == name)

    def others(self, machine: Machine) -> list[Machine]:
        return [one for one in self.machines if one is not machine]

    def active(self) -> Machine | None:
        """The host that signs, by the observer's eyes."""
        name = self.monitor.serving()
        return self.machine(name) if name else None

    def leader(self) -> Machine | None:
        """The host of Consul's leader, as most of the servers that answer see it."""
        votes: list[str] = []
        for machine in self.machines:
            if machine.reachable and machine.pid("consul") is not None:
                with contextlib.suppress(LabError):
                    votes.append(
                        str(machine.host.consul.request("GET", "/v1/status/leader", timeout_s=LEADER_CALL_S))
                    )
        for machine in self.machines:
            if votes.count(machine.host.consul.rpc_address) * 2 > len(votes):
                return machine
        return None

    def look(self) -> Overview | None:
        """The pool as ``hafailover status`` sees it, or ``None`` while nobody can be asked."""
        for machine in self.machines:
            if not machine.reachable or machine.pid("consul") is None:
                continue
            if machine.name not in self._looks:
                address = Address(host=machine.network.address, port=machine.host.consul.http_port)
                self._looks[machine.name] = Look(address, self.localnet.pool.account_id)
            with contextlib.suppress(CallError):
                return self._looks[machine.name].take()
        return None

    def safe(self) -> bool:
        """Exactly one host is active, at least one standby is ready, and the observer agrees."""
        view = self.look()
        return view is not None and view.ok and view.active == self.monitor.serving()

    def whole(self) -> bool:
        """Everything runs: safe, with all standbys ready and all of Consul in order."""
        if not all(machine.whole() for machine in self.machines):
            return False
        view = self.look()
        if view is None or not view.ok or view.active != self.monitor.serving():
            return False
        ready = sum(host.ready for host in view.hosts if host.node != view.active)
        return ready == len(self.machines) - 1 and self._consul_whole()

    def wait_safe(self, timeout_s: float = SAFE_S) -> float:
        """:returns: when it was, on CLOCK_BOOTTIME. :raises LabTimeoutError: with the state as it is."""
        wait_until(self.safe, timeout_s=timeout_s, what=self.described, interval_s=0.1)
        return boottime()

    def wait_whole(self, timeout_s: float = SAFE_S, *, nudge: bool = False) -> None:
        """Waits until everything is in order.

        :param nudge: Consul's servers are told to join each other. By themselves those that had lost sight of
            each other try every 30 s.
        :raises LabTimeoutError: with the state as it is.
        """
        if nudge and not self.whole():
            for machine in self.machines:
                for other in self.others(machine):
                    with contextlib.suppress(LabError):
                        machine.host.consul.request("PUT", f"/v1/agent/join/{other.network.address}")
        since = [float("inf")]

        def steady() -> bool:
            now = boottime()
            since[0] = min(since[0], now) if self.whole() else float("inf")
            return now - since[0] >= STEADY_S

        wait_until(steady, timeout_s=timeout_s, what=self.described, interval_s=0.1)

    def described(self) -> str:
        """The pool in a line, for an error."""
        view = self.look()
        hosts = (
            "; ".join(f"{host.node} {host.role}: {host.reason}" for host in view.hosts) if view else "none"
        )
        truth = ", ".join(
            f"{machine.name} {'whole' if machine.whole() else 'not whole'}"
            f"{' with a failed unit' if any(unit.failed for unit in machine.units.values()) else ''}"
            for machine in self.machines
        )
        said = "; ".join([view.verdict, *view.warnings]) if view else "nothing"
        return (
            f"the pool safe and whole; signing: {self.monitor.serving()}; status: {said}; records: {hosts}; "
            f"hosts: {truth}"
        )

    def failed_units(self) -> list[str]:
        """Services that ended with the code after which systemd leaves them alone."""
        return [unit.name for machine in self.machines for unit in machine.units.values() if unit.failed]

    def _consul_whole(self) -> bool:
        """Whether each server knows a leader and sees all the others alive, and the leader does, too."""
        for machine in self.machines:
            try:
                server = machine.host.consul
                members = server.request("GET", "/v1/agent/members", timeout_s=LEADER_CALL_S)
                if sum(member["Status"] == SERF_ALIVE for member in members) < len(self.machines):
                    return False
                if not server.request("GET", "/v1/status/leader", timeout_s=LEADER_CALL_S):
                    return False
            except LabError:
                return False
        try:
            checks = self.consul.server(0).request("GET", "/v1/health/state/passing")
        except LabError:
            return False
        alive = {check["Node"] for check in checks if check["CheckID"] == "serfHealth"}
        return alive >= {machine.name for machine in self.machines}


def _close(machine: Machine) -> None:
    machine.close()
