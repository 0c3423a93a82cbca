"""Words and histories: what a guard vouches for, whom it believes, and which terms its memory is of. Pure."""

from __future__ import annotations

from dataclasses import replace

from hafailover.core.views import KeyState
from hafailover.core.words import Checked, Claim, Scope
from hafailover.guard import key
from hafailover.guard import model as m
from hafailover.guard.process import Step


def in_history(guard: m.Guard, history: str) -> m.Guard | None:
    """The guard as it is in that history; ``None`` as long as its key is of another one.

    Terms begin anew in another history, so what was retired in the one before means nothing there.
    """
    if history == guard.history:
        return guard
    if guard.key is not KeyState.ABSENT:
        return None
    return replace(guard, history=history, term=0, retired=0, refused_term=0)


def arm(guard: m.Guard, event: m.ArmAsked, now: float) -> Step:
    """Arms, unless the key is of another history, or a word by which the agent is early is none."""
    refusal = ""
    within = in_history(guard, event.history)
    if within is None:
        refusal = f"the key is {guard.key} for term {guard.term} of another history of Consul"
        within = guard
    elif bad := [one for one in event.claims if not _is_good(guard, one, event)]:
        refusal = f"the word of {bad[0].node} for term {bad[0].term} is none that a guard of this pool gave"
    if refusal:
        refused = replace(within, refused_term=max(within.refused_term, event.term))
        return refused, [m.Report(f"not arming for term {event.term}: {refusal}")]
    return key.arm(within, event.term, event.deadline, now)


def _is_good(guard: m.Guard, claim: Claim, event: m.ArmAsked) -> bool:
    fits = claim.history == event.history and claim.term < event.term
    return fits and _scope(guard, claim) is not Scope.BAD


def drop(guard: m.Guard, event: m.DropAsked, now: float) -> Step:
    """Drops. A term of another history than the key's drops it, too, but retires only the key's own."""
    within = in_history(guard, event.history)
    if within is None:
        return key.drop_asked(guard, guard.term, event.urgent, event.reason, now)
    return key.drop_asked(within, event.term, event.urgent, event.reason, now)


def give(guard: m.Guard, event: m.VouchAsked) -> Step:
    """Gives its word that this host's key is gone and never comes back in the term, if that is so."""
    words, term = guard.config.words, event.term
    within = in_history(guard, event.history)
    doubt = _may_have_the_key(guard)
    if words is None or not guard.config.node or within is None or doubt:
        return guard, [m.Report(f"no word for the end of term {term}: {doubt or 'it has no key for words'}")]
    height = max(event.height, guard.height)
    claim = Claim(term, event.history, guard.config.node, height, event.handover_to)
    claim = words.give(claim, armed=within.term == term)
    within = replace(within, retired=max(within.retired, term), word=claim)
    return within, [m.Report(f"its word: the key of term {term} is gone")]


def _may_have_the_key(guard: m.Guard) -> str:
    """Why neard may have the key, or may get it without another order; empty if neither can be."""
    if guard.key is not KeyState.ABSENT:
        return f"the key is {guard.key}"
    if guard.killed:
        return "neard is being killed"
    if guard.pid is not None and guard.link is not m.Link.GONE:
        # A reload that somebody else asks neard for would load it.
        return "the key link may be there beside a neard that runs"
    return ""


def check(guard: m.Guard, claim: Claim) -> Step:
    """Says what a word is worth, and on whose account."""
    scope = _scope(guard, claim)
    worth = "is no guard's of this pool" if scope is Scope.BAD else "is good"
    checked = replace(guard, checked=Checked(claim, scope))
    return checked, [m.Report(f"the word of {claim.node} for the end of term {claim.term} {worth}")]


def _scope(guard: m.Guard, claim: Claim) -> Scope:
    return guard.config.words.check(claim) if guard.config.words is not None else Scope.BAD
