"""The commands. Each file holds one, and imports what it needs when it is used, so that all start fast."""
