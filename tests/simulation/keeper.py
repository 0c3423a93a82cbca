"""How the thread that keeps the agent's session goes about it, where the product's present order matters."""

from __future__ import annotations

A_FAILED_FEED_IS_ALL = True
"""A check that Consul does not know any more keeps the agent from renewing its session, so that it never
learns that the session is gone, and never registers again. ``False`` once it looks after both by itself."""
