"""The demo as somebody runs it."""
