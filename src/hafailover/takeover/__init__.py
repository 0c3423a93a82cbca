"""``hafailover takeover --force``: signing without a lease where Consul is dead."""
