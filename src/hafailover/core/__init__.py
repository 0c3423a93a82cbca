"""The decisions of the agent: pure functions, no I/O, no clock, no threads. Time and events come in."""
