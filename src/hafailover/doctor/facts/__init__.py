"""What is so on this host and in Consul: thin adapters that read, and judge nothing."""
