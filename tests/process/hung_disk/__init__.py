"""Consul whose disks hang, with file systems of their own that are frozen."""
