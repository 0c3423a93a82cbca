"""What happened in a run that broke a rule, for people."""

from __future__ import annotations

from .run import Result
from .shrink import Small
from .world import shape_of

LINES = 60


def story(result: Result, small: Small | None = None) -> str:
    """The rule, the pool, the faults that it takes and the last steps before it happened."""
    shape = shape_of(result.seed)
    hosts = ", ".join(f"h{number} ({one.name})" for number, one in enumerate(shape.profiles, 1))
    traits = [
        "hot swap" if shape.hot_swap else "promotion by restart",
        "agents with a watchdog" if shape.agent_watchdog else "agents without a watchdog",
        *(["a witness"] if shape.witness else []),
    ]
    shown = small.result if small is not None else result
    of = f" of {result.course}" if result.course else ""
    lines = [
        f"seed {result.seed}{of} breaks the rule '{result.rule}' in episode {result.episode}: {shown.what}",
        f"  the pool: {hosts}; {', '.join(traits)}",
    ]
    if small is not None:
        lines.append(f"  {len(small.strikes)} faults are enough, found in {small.tries} runs:")
        lines += [f"    {one}" for one in small.strikes]
    lines.append("  the last steps, in seconds of true time:")
    lines += [f"    {at:9.3f} {text}" for at, text in shown.log[-LINES:]]
    return "\n".join(lines)
