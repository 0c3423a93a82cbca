"""A cluster of real hosts under real faults: ``make cluster``, ``make soak``, and a short form for pytest.

Each host is a network namespace on a bridge, with its own Consul server, agent, guard and neard, kept up as
systemd would. Faults strike real processes, links and disks; an observer that knows nothing of the product's
own opinion watches who has the pool's key, and what the chain sees signed.
"""
