"""The agent's HTTP: status page, API, metrics and health, kept away from the lease's time."""
