"""Every check there is: which facts it needs, and what judges them."""

from __future__ import annotations

from pathlib import Path

from hafailover import __version__
from hafailover.doctor.checks import (
    clock,
    consul,
    disk,
    home,
    kernel,
    key,
    latency,
    link,
    neard,
    pool,
    ports,
    protocol,
    reload,
    rights,
    running,
    units,
)
from hafailover.doctor.checks import settings as settings_check
from hafailover.doctor.facts.clock import look_at_clock
from hafailover.doctor.facts.consul import look_at_consul, try_a_commit
from hafailover.doctor.facts.disk import look_at_disk
from hafailover.doctor.facts.home import look_at_home
from hafailover.doctor.facts.kernel import look_at_kernel
from hafailover.doctor.facts.key import look_at_key
from hafailover.doctor.facts.latency import measure
from hafailover.doctor.facts.link import look_at_link
from hafailover.doctor.facts.neard import look_at_head, look_at_neard, newest_release
from hafailover.doctor.facts.pool import consul_nodes, look_at_pool, pool_public_key
from hafailover.doctor.facts.ports import reach
from hafailover.doctor.facts.rights import try_rights
from hafailover.doctor.facts.running import look_at_running
from hafailover.doctor.facts.units import look_at_units
from hafailover.doctor.finding import Finding, skipped
from hafailover.doctor.runner import Check, Patient
from hafailover.lock.errors import CallError
from hafailover.near.routing import release_of


def _consul(patient: Patient) -> list[Finding]:
    settings = patient.settings
    found = link.judge(look_at_link(patient.address))
    try:
        facts = look_at_consul(patient.address)
    except CallError as failure:
        return [*found, *consul.unreachable(failure, settings.consul.address)]
    commit = try_a_commit(patient.address, settings.account_id, settings.node_name)
    return [*found, *consul.judge_with_commit(facts, commit)]


def _latency(patient: Patient) -> list[Finding]:
    settings = patient.settings
    profile = settings.profile
    found = latency.judge(
        measure(patient.address, settings.account_id, settings.node_name, profile.call_deadline_s), profile
    )
    local = look_at_consul(patient.address).local
    return [*found, *latency.judge_tuning(local.tuning if local is not None else None, profile)]


def _rights(patient: Patient) -> list[Finding]:
    settings = patient.settings
    return rights.judge(try_rights(patient.address, settings.account_id, settings.node_name))


def _pool(patient: Patient) -> list[Finding]:
    view = look_at_pool(patient.address, patient.settings.account_id)
    return [*pool.judge(view), *pool.judge_own(view, patient.settings.node_name, __version__)]


def _pool_alone(patient: Patient) -> list[Finding]:
    return pool.judge(look_at_pool(patient.address, patient.settings.account_id))


def _key(patient: Patient) -> list[Finding]:
    facts = look_at_key(patient.settings)
    found = key.judge(facts)
    try:
        on_record = pool_public_key(patient.address, patient.settings.account_id)
    except CallError as failure:
        return [*found, skipped("key.pool", f"the pool's key on record cannot be seen: {failure}")]
    return [*found, *key.judge_against_pool(facts, on_record)]


def _home(patient: Patient) -> list[Finding]:
    settings = patient.settings
    head = look_at_head(settings)
    release = newest_release(head.version, settings)
    return home.judge(look_at_home(settings.neard.home), settings, head.chain_id, release)


def _neard(patient: Patient) -> list[Finding]:
    settings = patient.settings
    identity = look_at_key(settings).identity
    public_key = identity.public_key if identity is not None else None
    if public_key is None:
        try:
            public_key = pool_public_key(patient.address, settings.account_id)
        except CallError:
            # The check consul says so; neard is looked at all the same.
            public_key = None
    facts = look_at_neard(settings)
    found = neard.judge(facts, settings, public_key)
    if facts.status is None:
        return found
    running = facts.status.version
    at_home = look_at_home(settings.neard.home)
    if at_home.config:
        found += reload.judge(at_home.config, facts.running, running)
    release = max((running, facts.binary_release), key=release_of)
    return [*found, *protocol.judge(facts, release)]


def _ports(patient: Patient) -> list[Finding]:
    facts = look_at_consul(patient.address)
    if facts.local is None or not facts.members:
        return [skipped("ports.consul", "the other hosts' addresses cannot be seen, see the check consul")]
    own = facts.local.name
    port = ports.p2p_port(look_at_home(patient.settings.neard.home).config)
    nodes = consul_nodes(patient.address, patient.settings.account_id)
    targets = ports.consul_targets(facts.members, own)
    if port is not None:
        targets += ports.neard_targets(facts.members, own, nodes, port)
    return ports.judge(reach(targets))


def _clock(patient: Patient) -> list[Finding]:
    head = look_at_head(patient.settings)
    return clock.judge(look_at_clock(), patient.settings.profile, head.age_s, head.syncing)


def _disk(patient: Patient) -> list[Finding]:
    settings = patient.settings
    chain_id = look_at_head(settings).chain_id
    places = {"agent": settings.state_dir}
    if settings.neard.home is not None:
        places["neard"] = _data(settings.neard.home)
    looked_at = [look_at_disk(what, path) for what, path in places.items()]
    return [finding for facts in looked_at for finding in disk.judge(facts, chain_id)]


def _data(neard_home: Path) -> Path:
    """Where neard's database lies, which may be on a disk of its own."""
    config = look_at_home(neard_home).config
    store = config.get("store")
    path = store.get("path") if isinstance(store, dict) else None
    data = neard_home / (path if isinstance(path, str) and path else "data")
    return data if data.is_dir() else neard_home


def _kernel(patient: Patient) -> list[Finding]:
    return kernel.judge(look_at_kernel(list(kernel.WANTED), patient.settings.guard_socket))


def _units(patient: Patient) -> list[Finding]:
    return units.judge(look_at_units(), patient.settings.profile)


def _settings(patient: Patient) -> list[Finding]:
    return settings_check.judge(patient.settings)


def _running(patient: Patient) -> list[Finding]:
    settings = patient.settings
    facts = look_at_running(settings.guard_socket, settings.listen_address)
    return running.judge(facts, str(settings.guard_socket), settings.listen)


HOST = (
    Check("settings", "the settings", _settings),
    Check("consul", "Consul's servers and members", _consul, 15.0),
    Check("latency", "how long Consul takes", _latency, 40.0),
    Check("rights", "what the token may do", _rights, 30.0),
    Check("pool", "the pool's hosts", _pool, 15.0),
    Check("key", "the pool's key", _key),
    Check("home", "neard's home", _home, 20.0),
    Check("neard", "neard", _neard, 30.0),
    Check("ports", "ports of the other hosts", _ports, 30.0),
    Check("clock", "the clocks", _clock),
    Check("disk", "the disks", _disk),
    Check("kernel", "kernel parameters", _kernel),
    Check("units", "the services", _units, 15.0),
    Check("running", "agent and guard", _running),
)
CLUSTER = (
    Check("consul", "Consul's servers and members", _consul, 15.0),
    Check("pool", "the pool's hosts", _pool_alone, 15.0),
)
