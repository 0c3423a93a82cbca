"""Real Consul clusters, processes and links on loopback, for the demo, the tests and the benchmark."""

from hafailover.lab.consul import ConsulCluster
from hafailover.lab.consul_server import ConsulServer
from hafailover.lab.errors import LabError, LabTimeoutError
from hafailover.lab.link import Link
from hafailover.lab.ports import free_ports
from hafailover.lab.process import ManagedProcess
from hafailover.lab.procfs import ProcessId

__all__ = [
    "ConsulCluster",
    "ConsulServer",
    "LabError",
    "LabTimeoutError",
    "Link",
    "ManagedProcess",
    "ProcessId",
    "free_ports",
]
