"""Automatic failover for NEAR validators: several synced machines, exactly one signer."""

__version__ = "0.1.0"
