"""Real Consul clusters: whole when they say so, and able to lose and regain servers."""

import json
from pathlib import Path

import pytest

from hafailover.lab import ConsulCluster, ConsulServer, LabError, LabTimeoutError
from hafailover.lab.consul_server import consul_version

pytestmark = pytest.mark.consul

SESSION = {"TTL": "10s", "LockDelay": "0s"}


def test_a_session_can_be_made_on_every_server(consul_cluster: ConsulCluster) -> None:
    assert consul_cluster.leader() in (0, 1, 2)
    assert len({server.name for server in consul_cluster.servers}) == 3
    for server in consul_cluster.servers:
        made = server.request("PUT", "/v1/session/create", json=SESSION)
        (session,) = server.request("GET", f"/v1/session/info/{made['ID']}")
        assert session["Node"] == server.name
        server.request("PUT", f"/v1/session/destroy/{made['ID']}")


def test_the_raft_timing_is_the_one_asked_for(
    consul_cluster: ConsulCluster, consul_single: ConsulCluster
) -> None:
    for cluster in (consul_cluster, consul_single):
        own = cluster.server(0).request("GET", "/v1/agent/self")
        assert own["DebugConfig"]["ConsulRaftElectionTimeout"] == "1s"
        assert own["DebugConfig"]["LeaveOnTerm"] is False
        assert own["DebugConfig"]["SkipLeaveOnInt"] is True


@pytest.mark.slow
def test_a_cluster_stands_the_loss_of_its_leader(consul_binary: Path, tmp_path: Path) -> None:
    with ConsulCluster(consul_binary, tmp_path, names=["left", "middle", "right"]) as cluster:
        cluster.start(60)
        cluster.server(0).request("PUT", "/v1/kv/stays", json="here")
        first = cluster.wait_leader()
        cluster.kill(first)
        assert cluster.leader() != first
        second = cluster.wait_leader(30)
        assert second != first
        cluster.restart(first)
        cluster.wait_whole(60)
        kept = cluster.server(first).request("GET", "/v1/kv/stays", params={"raw": ""})
        assert kept == "here"

        frozen = cluster.wait_leader()
        cluster.freeze(frozen)
        assert cluster.server(frozen).is_alive()
        assert not cluster.server(frozen).is_responsive()
        assert cluster.wait_leader(30) != frozen
        with pytest.raises(LabError, match="GET /v1/status/leader"):
            cluster.server(frozen).request("GET", "/v1/status/leader", timeout_s=0.3)
        cluster.thaw(frozen)
        cluster.wait_whole(60)
        pids = [server.process.id for server in cluster.servers if server.process]
    assert len(pids) == 3
    assert not any(pid.is_alive() for pid in pids)


@pytest.mark.slow
def test_with_acls_only_a_token_with_the_right_opens_the_door(consul_binary: Path, tmp_path: Path) -> None:
    with ConsulCluster(consul_binary, tmp_path, servers=1, acl=True) as cluster:
        cluster.start(60)
        server = cluster.server(0)
        token = cluster.create_token('key_prefix "near/" { policy = "write" }')
        assert server.request("PUT", "/v1/kv/near/x", json=1, token=token) is True
        for key, bad in (("near/x", None), ("far/x", token)):
            with pytest.raises(LabError, match="403"):
                server.request("PUT", f"/v1/kv/{key}", json=1, token=bad)
        with pytest.raises(LabError, match="500"):
            cluster.create_token("no rules")
        cluster.restart(0)
        cluster.wait_whole(60)
        assert server.request("PUT", "/v1/kv/near/x", json=2, token=token) is True


def test_tokens_need_acls(consul_single: ConsulCluster) -> None:
    with pytest.raises(LabError, match="acl=True"):
        consul_single.create_token("")


def test_a_server_that_cannot_run_is_shown_with_its_log(consul_binary: Path, tmp_path: Path) -> None:
    with ConsulCluster(consul_binary, tmp_path, servers=1, extra_config={"no_such_option": 1}) as cluster:
        with pytest.raises(LabError, match=r"consul1 does not run; log:\n(.*\n)*.*no_such_option"):
            cluster.start(60)
        assert not cluster.server(0).is_alive()


def test_a_cluster_without_a_majority_is_not_whole(consul_binary: Path, tmp_path: Path) -> None:
    with ConsulCluster(consul_binary, tmp_path, extra_config={"bootstrap_expect": 5}) as cluster:
        with pytest.raises(LabTimeoutError, match=r"a whole Consul cluster\n--- consul1\n"):
            cluster.start(3)
        assert cluster.leader() is None
        assert not any(server.is_alive() for server in cluster.servers)


def test_names_have_to_differ(consul_binary: Path, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="3 different Consul node names"):
        ConsulCluster(consul_binary, tmp_path, names=["a", "b", "a"])


@pytest.mark.parametrize(
    ("version", "has_grpc_tls"), [((1, 8, 7), False), ((1, 13, 9), False), ((1, 14, 0), True)]
)
def test_the_configuration_fits_the_version(
    version: tuple[int, ...], has_grpc_tls: bool, tmp_path: Path
) -> None:
    server = ConsulServer(Path("consul"), tmp_path / "a", "a", version=version)
    server.write_config(peers=[server], raft_multiplier=2, acl=False, extra={"ports": {"dns": 8600}, "x": 1})
    config = json.loads((tmp_path / "a" / "consul.json").read_text())
    assert ("grpc_tls" in config["ports"]) is (version >= (1, 14))
    assert config["ports"]["dns"] == 8600
    assert config["ports"]["http"] == server.http_port
    assert config["performance"] == {"raft_multiplier": 2}
    assert config["x"] == 1


def test_what_is_not_consul_is_refused(consul_binary: Path, tmp_path: Path) -> None:
    assert consul_version(consul_binary) >= (1, 8)
    with pytest.raises(LabError, match=r"/bin/echo is not Consul: 'version' printed 'version\\n'"):
        consul_version(Path("/bin/echo"))
    with pytest.raises(LabError, match="cannot be run"):
        consul_version(tmp_path / "none")
    (tmp_path / "text").write_text("x")
    (tmp_path / "text").chmod(0o755)
    with pytest.raises(LabError, match="cannot be run"):
        consul_version(tmp_path / "text")
