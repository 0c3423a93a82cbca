"""What people and machines see of an agent: its record, its metrics, its health."""
