"""neard's HTTP interface: GET routes, JSON-RPC and metrics, and the stand-in's own routes."""
