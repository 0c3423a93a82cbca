"""A Consul in this process, for each test that asks for one."""

from .tiny_consul import consul as consul
