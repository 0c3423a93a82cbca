"""What operators order for a pool, kept in Consul: a pause, drained hosts, a planned handover."""
