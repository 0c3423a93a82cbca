"""A whole pool, up and settled."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hafailover.lab.pool import LabPool


@contextmanager
def settled_pool(consul_binary: Path, promotion: str = "hot", *, acl: bool = False) -> Iterator[LabPool]:
    """Three hosts of which one is active and two are ready; all gone at the end."""
    # Not below pytest's own folder: a socket's path may have 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="hafailover-"))
    pool = LabPool(folder, consul_binary, promotion=promotion, acl=acl)
    try:
        pool.start_network(lambda _: None)
        for host in pool.hosts:
            host.start()
        pool.wait_settled(90)
        yield pool
    finally:
        pool.stop()
        shutil.rmtree(folder, ignore_errors=True)
