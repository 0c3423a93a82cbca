"""How the thread that keeps the agent's session goes about it, where its order matters."""

from __future__ import annotations

A_FAILED_FEED_IS_ALL = False
"""``True``: a check that Consul does not know any more keeps the agent from renewing its session, so that it
never learns that the session is gone, and never registers again. Only a mutant does so."""
