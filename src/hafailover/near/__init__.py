"""neard's side of the world: its home, its key files, its configuration and its RPC."""
