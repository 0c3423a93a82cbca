"""What a Prometheus and a Grafana need to watch a pool: alert rules and a dashboard, as package data."""
