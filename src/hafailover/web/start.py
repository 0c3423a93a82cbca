"""Puts the parts together as the settings want them."""

from __future__ import annotations

from hafailover.config.settings import Settings
from hafailover.lock.client import Address
from hafailover.observe.look import Look
from hafailover.web.access import Doorkeeper, tls_of, token_of
from hafailover.web.pool_watch import PoolWatch
from hafailover.web.server import WebServer
from hafailover.web.site import Site, Sources


def serve(settings: Settings, consul: Address, sources: Sources) -> WebServer:
    """Starts serving and returns the server.

    :raises ConfigError: a file of section [http] cannot be used.
    :raises ListenError: the address is taken or not this machine's.
    """
    door = Doorkeeper(token_of(settings.http), settings.listens_on_loopback)
    pool = PoolWatch(lambda: Look(consul, settings.account_id, sources.newest_beat))
    server = WebServer(settings.listen_address, Site(sources, pool, door).respond, tls_of(settings.http))
    pool.start()
    server.start()
    return server
