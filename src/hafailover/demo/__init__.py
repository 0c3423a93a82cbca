"""``make demo``: a pool on this machine, faults one after another, and what came of each."""
