"""The lease's store: what the core asks of it, over Consul and, for tests, in memory."""
