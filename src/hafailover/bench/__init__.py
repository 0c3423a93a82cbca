"""``make bench``: the figures that matter to an operator, measured on real processes on this machine."""
