"""What the test scripts share; each script begins with this file."""

import base64
import itertools
import json
import time
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass

SECRETS = "/var/lib/hafailover-secrets"
GENESIS = "/var/lib/hafailover-genesis/genesis.json"
NET = "/var/lib/localnet/net"
POOL = "node3"
STATUS = "(hafailover status --json || true)"
"""Its exit code says whether the pool is safe, which is not what most scripts ask."""
KEY_LOADED = "curl -s -m 2 http://127.0.0.1:3030/status | jq -e .validator_public_key"
START_S = 120
SAFE_S = 120
SETTLED_S = 4.0
"""A neard that once held the key is restarted, keyless, when another host has been active for 3 s."""
CONTINUOUS_S = 1.0
"""Two sightings of a key on one host that lie closer together are of one loading of it."""
HICCUP_S = 2.0
"""A machine that is busy may show the key it has no more often than that."""


class Host(typing.Protocol):
    """The part of the test driver's Machine that is used here."""

    name: str

    def succeed(self, *commands: str, timeout: int | None = None) -> str: ...
    def execute(
        self, command: str, check_return: bool = True, check_output: bool = True, timeout: int | None = 900
    ) -> tuple[int, str]: ...
    def wait_until_succeeds(self, command: str, timeout: int = 900) -> str: ...
    def wait_for_unit(self, unit: str, user: str | None = None, timeout: int = 900) -> None: ...


@dataclass(frozen=True)
class Sighting:
    """A host's neard showed a key to a request sent at `asked`, answered at `answered`, in epoch seconds."""

    asked: float
    answered: float
    host: str


def loadings(sightings: Sequence[Sighting]) -> list[list[Sighting]]:
    """One host's sightings, divided where it was not seen with the key for a second."""
    found: list[list[Sighting]] = []
    for sighting in sorted(sightings, key=lambda one: one.answered):
        if found and sighting.asked - found[-1][-1].answered < CONTINUOUS_S:
            found[-1].append(sighting)
        else:
            found.append([sighting])
    return found


def two_at_once(sightings: Sequence[Sighting]) -> list[str]:
    """Every proof that two hosts had the key at one time: one shows it while the other has it.

    A host had it at least from the first answer of a loading until the last question.
    """
    by_host: dict[str, list[Sighting]] = {}
    for sighting in sightings:
        by_host.setdefault(sighting.host, []).append(sighting)
    return [
        f"{host} and {other.host} both had the key at {other.asked:.3f}"
        for host, own in by_host.items()
        for loading in loadings(own)
        for other in sorted(sightings, key=lambda one: one.asked)
        if other.host != host and loading[0].answered <= other.asked and other.answered <= loading[-1].asked
    ]


def longest_gap(sightings: Sequence[Sighting], since: float, until: float) -> float:
    """The longest time between two moments in which no host showed a key, in seconds."""
    times = [one.answered for one in sightings if since < one.answered < until]
    return max(after - before for before, after in itertools.pairwise([since, *sorted(times), until]))


def parse_keywatch(text: str, host: str) -> list[Sighting]:
    """The lines of keywatch.py; a last one that a power cut tore is left out."""
    found = []
    for line in text.splitlines():
        fields = line.split()
        if len(fields) == 2 and all("." in one and one.replace(".", "").isdigit() for one in fields):
            found.append(Sighting(float(fields[0]), float(fields[1]), host))
    return found


H = typing.TypeVar("H", bound=Host)


class Pool(typing.Generic[H]):
    """The hosts of a pool and the chain that they sign on."""

    def __init__(self, test: str, chain: H, hosts: Sequence[H]) -> None:
        self.test = test
        self.chain = chain
        self.hosts = list(hosts)
        self._seen: set[Sighting] = set()

    def set_up(self) -> None:
        """Gives each host the pool's key and the chain's genesis, and waits until one signs."""
        self.chain.wait_for_unit("localnet.service", timeout=START_S)
        self.chain.wait_until_succeeds(f"test -e {NET}/localnet.json", timeout=START_S)
        key = self.chain.succeed(f"base64 -w0 {NET}/pool/validator_key.json").strip()
        genesis = self.chain.succeed(f"base64 -w0 {NET}/node0/genesis.json").strip()
        base64.b64decode(key, validate=True)
        for host in self.hosts:
            host.wait_for_unit("consul.service", timeout=START_S)
            host.succeed(
                f"install -d -m 0700 {SECRETS} && install -d $(dirname {GENESIS})",
                f"umask 077 && echo {key} | base64 -d > {SECRETS}/validator_key.json",
                f"echo {genesis} | base64 -d > {GENESIS}",
                "systemctl reset-failed neard.service; systemctl restart neard.service",
            )
        self.active(START_S)

    def has_key(self, host: H) -> bool:
        """Whether its neard has a key loaded now, by its own word."""
        return host.execute(KEY_LOADED, timeout=10)[0] == 0

    def active(self, timeout_s: float, among: Sequence[H] | None = None) -> H:
        """The host whose neard has the key, waited for."""
        hosts = self.hosts if among is None else list(among)
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            for host in hosts:
                if self.has_key(host):
                    return host
            time.sleep(0.1)
        raise AssertionError(f"no host had the key within {timeout_s:g} s")

    def others(self, host: H) -> list[H]:
        return [one for one in self.hosts if one is not host]

    def wait_safe(self, timeout_s: int = SAFE_S, standbys: int | None = None) -> None:
        """Waits until one host is active and the standbys (all others, unless said otherwise) are ready.

        They have to be so for some seconds, and all of Consul's servers in order, before the next fault.
        """
        wanted = len(self.hosts) - 1 if standbys is None else standbys
        ready = f'([.hosts[] | select(.ready and .role == "standby")] | length) >= {wanted}'
        servers = "curl -sf -m 5 -o /dev/null http://127.0.0.1:8500/v1/operator/autopilot/health"
        host = self.active(timeout_s)
        end = time.monotonic() + timeout_s
        since = None
        while since is None or time.monotonic() - since < SETTLED_S:
            code, _ = host.execute(f"{servers} && {STATUS} | jq -e '.active != null and {ready}'", timeout=30)
            if code != 0:
                since = None
                if time.monotonic() > end:
                    raise AssertionError(f"the pool was not safe within {timeout_s} s: {self._status(host)}")
            elif since is None:
                since = time.monotonic()
            time.sleep(0.2)

    def _status(self, host: H) -> str:
        return host.execute("hafailover status 2>&1", timeout=30)[1]

    def term(self, host: H) -> int:
        """The term under which the pool is signed for, as Consul has it."""
        return int(json.loads(host.execute(STATUS)[1])["term"])

    def check(self) -> None:
        """Fails if two hosts ever had the key at once, or if the chain saw the pool sign a height twice."""
        self._look()
        assert self._seen, "nobody has ever been seen with the key"
        found = two_at_once(list(self._seen))
        assert not found, f"two active: {found[:5]}"
        # Only the stand-in keeps this record, and it has to answer.
        twice = self.chain.succeed(
            f"address=$(jq -r '.nodes[0].rpc_addr' {NET}/localnet.json | cut -d: -f1);"
            f" case $(jq -r .neard {NET}/localnet.json) in */localneard)"
            " for port in 25100 25101 25102; do"
            " curl -sf -m 5 http://$address:$port/localneard/double_signs; done ;; esac"
        )
        assert POOL not in twice, f"a height was signed twice: {twice}"

    def _look(self) -> None:
        for host in self.hosts:
            code, text = host.execute("cat /var/log/keywatch", timeout=30)
            if code == 0:
                self._seen.update(parse_keywatch(text, host.name))

    def gap(self, since: float) -> float:
        """The longest time up to now in which no host showed a key, in seconds."""
        until = self.now()
        self._look()
        return longest_gap(list(self._seen), since, until)

    def fault(
        self,
        name: str,
        strike: Callable[[H], object],
        timeout_s: float = 60,
        gone: bool = False,
        within_s: float = 60,
    ) -> H:
        """Strikes the active and waits for another host to have the key; returns the one that was struck.

        :param gone: the struck host cannot be asked any more.
        :param within_s: the longest that the pool may be without a key, from the strike on.
        """
        struck = self.active(timeout_s)
        began = self.now()
        strike(struck)
        successor = self.active(timeout_s, self.others(struck))
        took = self.first_key_after(successor, began) - began
        self.say(name, took)
        assert took < within_s, f"{name}: {successor.name} had the key only after {took:.1f} s"
        if not gone:
            self.check()
        return struck

    def no_failover(self, name: str, strike: Callable[[H], object], watch_s: float = 12) -> None:
        """Strikes the active and watches that it keeps key and term, and that nobody else gets the key."""
        struck = self.active(30)
        term = self.term(struck)
        began = self.now()
        strike(struck)
        end = time.monotonic() + watch_s
        while time.monotonic() < end:
            holders = [host.name for host in self.others(struck) if self.has_key(host)]
            assert not holders, f"{name}: {holders[0]} took over from {struck.name}"
            time.sleep(0.2)
        assert self.has_key(struck), f"{name}: {struck.name} lost the key"
        struck.wait_until_succeeds(f"{STATUS} | jq -e '.active != null'", timeout=30)
        assert self.term(struck) == term, f"{name}: a new term began"
        gap = self.gap(began)
        assert gap < HICCUP_S, f"{name}: nobody had the key for {gap:.1f} s"
        self.say(name, gap)
        self.check()

    def either_way(self, name: str, strike: Callable[[H], object]) -> None:
        """Strikes the active where it depends on moments whether another host takes over.

        Waits until the pool is safe again. What is said is how long nobody had the key.
        """
        began = self.now()
        strike(self.active(30))
        self.wait_safe()
        self.say(name, self.gap(began))
        self.check()

    def now(self) -> float:
        """The hosts' clock, in epoch seconds."""
        return float(self.chain.succeed("date +%s.%N"))

    def first_key_after(self, host: H, began: float) -> float:
        """When the host was first seen with the key after `began`, in epoch seconds."""
        host.wait_until_succeeds(
            f"awk '$1 > {began:.3f} {{ found = 1 }} END {{ exit !found }}' /var/log/keywatch", timeout=30
        )
        seen = parse_keywatch(host.succeed("cat /var/log/keywatch"), host.name)
        return min(one.answered for one in seen if one.asked > began)

    def last_key(self, host: H) -> float:
        """When the host was last seen with the key, in epoch seconds."""
        return parse_keywatch(host.succeed("cat /var/log/keywatch"), host.name)[-1].answered

    def say(self, name: str, seconds: float) -> None:
        print(f"measured: {self.test}/{name}: {seconds:.2f} s", flush=True)


def main_pid(host: Host, unit: str) -> int:
    """The pid of a unit's main process; 0 when it does not run."""
    return int(host.succeed(f"systemctl show -P MainPID {unit}"))


def neard_pid(host: Host) -> int:
    """The pid of neard itself, the guard's child."""
    return int(host.wait_until_succeeds("pgrep -o -u neard -f -- '--home /var/lib/neard'", timeout=30))


def signal_unit(host: Host, unit: str, name: str) -> None:
    """A signal to a unit's main process alone."""
    host.succeed(f"kill -{name} {main_pid(host, unit)}")


def signal_neard(host: Host, name: str) -> None:
    """A signal to neard itself."""
    host.succeed(f"kill -{name} {neard_pid(host)}")
