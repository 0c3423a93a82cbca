"""From the core's steps to notices: each is about this host itself, or about what it took over from. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from hafailover.core import foreign
from hafailover.core.beat import Beat, Phase
from hafailover.core.effects import Effect, RecordTerm
from hafailover.core.production import Grade
from hafailover.core.state import Hold, Stage, State
from hafailover.core.views import FORCED
from hafailover.notify.notice import Notice, Severity, What
from hafailover.observe.production import advice, record_of, words

NOT_PRODUCING_S = 10.0
"""Our choice: nobody is woken for duties that are missed for a shorter time than that."""
PRODUCING_S = 30.0
"""So long its work must arrive again until that is told: one block among many missed is no cure."""


class RoleWatch:
    """Remembers what one host has fenced, so that its return can be told.

    A host tells of nobody but itself, with one exception: only the successor can tell of a host that died.

    :param routing: the setting ``neard.validator_routing``.
    """

    def __init__(self, node: str, routing: str = "") -> None:
        self._node = node
        self._routing = routing
        self._fenced_term = 0
        self._not_producing = False
        """Whether that this host does not produce was told, and that it does again was not."""
        self._had_seat = False
        """Whether the account was a validator since this host signs: who never was loses no seat."""
        self._good_since: float | None = None
        self._signs_since: float | None = None

    def step(self, before: State, after: State, effects: Sequence[Effect]) -> list[Notice]:
        """What this step of the core is to others, in order."""
        notices = []
        was = before.hold.stage if before.hold else None
        now = after.hold.stage if after.hold else None
        if now is not was and after.hold is not None:
            if now is Stage.FENCED or (now is Stage.LOST and was in (Stage.ARMED, Stage.ARMING)):
                notices.append(self._fenced(after.hold))
            elif now is Stage.ARMED and was is Stage.FENCED:
                notices += self._resumed(after.hold.term)
        for effect in effects:
            if isinstance(effect, RecordTerm):
                notices += self._began(effect, after.hold) if effect.began else [self._ceased(effect, before)]
        return notices + self._production(after)

    def _production(self, state: State) -> list[Notice]:
        """What this host signs has not got into the chain for long enough to wake somebody; or does again."""
        now = state.last_now
        tally = foreign.production(state, now)
        began = tally.began if tally is not None else None
        if began != self._signs_since:
            self._not_producing, self._good_since, self._signs_since = False, None, began
            self._had_seat = False
        if tally is None:
            return []
        if tally.unknown_since is not None:
            # Where neard does not tell, that is no news; nor is it good work.
            self._good_since = None
            return []
        term = state.hold.term if state.hold is not None else 0
        if tally.grade is not Grade.GOOD:
            self._good_since = None
        self._had_seat = self._had_seat or (tally.work is not None and tally.work.validator)
        lost = tally.grade is Grade.NO_VALIDATOR and self._had_seat
        bad = tally.deaf_since is not None and now - tally.deaf_since >= NOT_PRODUCING_S
        if (bad or lost) and not self._not_producing:
            self._not_producing = True
            found = record_of(tally, now, self._routing)
            return [_not_producing(self._node, term, words(found), advice(found))]
        if not self._not_producing or tally.grade is not Grade.GOOD:
            return []
        self._good_since = self._good_since if self._good_since is not None else now
        if now - self._good_since < PRODUCING_S:
            return []
        self._not_producing, self._good_since = False, None
        return [_producing(self._node, term, words(record_of(tally, now, self._routing)))]

    def _fenced(self, hold: Hold) -> Notice:
        self._fenced_term = hold.term
        lost = hold.stage is Stage.LOST
        cause = hold.cause if lost else "the lease could not be proved to Consul in time"
        back = (
            "Another host may take over now."
            if lost
            else "It signs again as soon as Consul proves the lease; else another host takes over."
        )
        return Notice(
            What.FENCED,
            Severity.CRITICAL,
            hold.term,
            f"{self._node} fenced itself",
            f"{self._node} has dropped the key of term {hold.term} without being asked to: {cause}. {back}",
            cause=cause,
            from_node=self._node,
            planned=False,
        )

    def _resumed(self, term: int) -> list[Notice]:
        if term != self._fenced_term:
            return []
        self._fenced_term = 0
        return [
            Notice(
                What.RESUMED,
                Severity.INFO,
                term,
                f"{self._node} signs again",
                f"{self._node} signs again in term {term}, the same as before it fenced itself.",
                cause="the lease is proved again",
                to_node=self._node,
                planned=False,
            )
        ]

    def _began(self, record: RecordTerm, hold: Hold | None) -> list[Notice]:
        if record.term == self._fenced_term:
            return self._resumed(record.term)
        beat = _predecessor(hold)
        planned = beat is not None and beat.phase is Phase.RELEASED and beat.handover_to is not None
        cause = (
            beat.cause if beat is not None and beat.phase is Phase.RELEASED and beat.cause else record.cause
        )
        words = (
            f"{self._node} signs now, in term {record.term}{_in_place_of(self._node, record, hold, planned)}"
        )
        severity, title = Severity.INFO if planned else Severity.WARNING, f"{self._node} signs now"
        if record.cause.startswith(FORCED):
            severity, title = Severity.CRITICAL, f"{self._node} signs WITHOUT A LEASE"
            words = f"{title}, {record.cause}. Nothing but people keeps another host from signing, too."
        return [
            Notice(
                What.BECAME_ACTIVE,
                severity,
                record.term,
                title,
                words,
                cause=cause,
                from_node=record.from_node,
                to_node=self._node,
                planned=planned,
                height=record.height,
                waited_s=round(record.waited_s, 3),
                silent_s=round(record.silent_s, 3) if record.silent_s is not None else None,
            )
        ]

    def _ceased(self, record: RecordTerm, before: State) -> Notice:
        to = before.hold.handover_to if before.hold is not None else None
        handed = f" and hands over to {to}" if to else ""
        gone = f"Its key of term {record.term} is gone."
        return Notice(
            What.CEASED,
            Severity.INFO if to else Severity.WARNING,
            record.term,
            f"{self._node} has stopped signing",
            f"{self._node} has stopped signing{handed}: {record.cause}. {gone}",
            cause=record.cause,
            from_node=self._node,
            to_node=to,
            planned=to is not None,
            height=record.height,
        )


def _not_producing(node: str, term: int, text: str, why: str) -> Notice:
    return Notice(
        What.NOT_PRODUCING,
        Severity.CRITICAL,
        term,
        f"{node} holds the key and DOES NOT PRODUCE",
        f"{node} {text}. Likely cause: {why}.",
        cause=text,
        planned=False,
    )


def _producing(node: str, term: int, text: str) -> Notice:
    return Notice(
        What.PRODUCING,
        Severity.INFO,
        term,
        f"{node} produces again",
        f"{node} {text}.",
        cause=text,
        planned=False,
    )


def drill_failed(kind: str, text: str, at: str, term: int) -> Notice:
    """A drill that did not go as it should.

    :param at: when it ended, as the orders have it: with it the same drill is told once.
    """
    return Notice(
        What.DRILL_FAILED,
        Severity.WARNING,
        term,
        f"a drill has failed ({kind})",
        f"The drill of kind {kind} that ended at {at} has failed: {text}. See hafailover history.",
        cause=f"{kind}: {text}",
        planned=True,
        subject=at,
    )


def foreign_signer(account_id: str, text: str, term: int) -> Notice:
    """The chain shows work of the account that no host of the pool did.

    :param text: who and how much, and what to do: :func:`hafailover.core.foreign.text`.
    """
    return Notice(
        What.FOREIGN_SIGNER,
        Severity.CRITICAL,
        term,
        f"SOMEBODY ELSE signs for {account_id}",
        f"{text[:1].upper()}{text[1:]}.",
        cause=text,
        planned=False,
    )


def _predecessor(hold: Hold | None) -> Beat | None:
    if hold is None or hold.predecessor is None:
        return None
    beat = hold.predecessor.beat
    return beat.inherits if beat.phase is Phase.PASSED and beat.inherits is not None else beat


def _in_place_of(node: str, record: RecordTerm, hold: Hold | None, planned: bool) -> str:
    beat = _predecessor(hold)
    if beat is None:
        return f". Nothing is known of who signed before: {record.cause}."
    before = beat.node
    if planned:
        return f", in place of {before}, which handed over: {beat.cause}."
    if beat.phase is Phase.RELEASED:
        return f", in place of {before}, which gave up: {beat.cause or 'no reason given'}."
    if before == node:
        return f", after a term of its own (term {beat.term}) whose end it does not know."
    if hold is not None and hold.wait.at_once:
        return f", in place of {before}, which lost the lock and has confirmed that its key is gone."
    last = (
        f"; its last sign of life came {record.silent_s:.1f} s before" if record.silent_s is not None else ""
    )
    return (
        f", in place of {before}, which has gone silent: its agent, its host or its network is down{last}. "
        f"{before} cannot report this itself, so its successor does."
    )
