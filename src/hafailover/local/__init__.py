"""The agent's word to commands on its own host: the pool as it is now, from a process that is ready to look.

A command that looks for itself first loads the settings' and Consul's libraries, for a third of a second.
"""
