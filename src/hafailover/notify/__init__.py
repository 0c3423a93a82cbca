"""What happened to the pool, told to people by webhooks and chat, and never at the lease's cost."""
