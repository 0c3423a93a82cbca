"""The guard: starts neard, owns the key link, and drops the key when its grant runs out.

It is a process of its own, small and with few dependencies, so that whatever happens to the agent, the key
does not outlive the lease.
"""
