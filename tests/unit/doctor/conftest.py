"""A Consul in this process, for each test that asks for one."""

from ..observe.tiny_consul import consul as consul
