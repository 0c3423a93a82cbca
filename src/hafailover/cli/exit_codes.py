"""Exit codes of all commands; ``docs/operating.md`` lists them."""

OK = 0
NOT_GOOD = 1
"""It worked, and the answer is no: not safe, not moved, a scenario failed."""
WRONG_SETTINGS = 2
NAME_TAKEN = 3
UNREACHABLE = 4
"""Consul or neard could not be asked."""
REFUSED = 5
"""The pool declined: the target is not ready, or another wish is under way."""
ANOTHER = 6
"""The key moved, or came back, but another host signs now than the one that was to."""
