"""EarlyKickout, of protocol 87 on: who misses too many chunks gets no more of them until the epoch ends.

As nearcore's chain/epoch-manager has it (pull requests #16049 and #16311): as soon as a producer has missed
at least `min_missed` of the shard's chunks in this epoch and produced less than `percent` of those that were
expected, other producers are drawn in its stead. Its counts stand still then, so that it stays out whatever
it does. Not before the epoch is `grace_blocks` old; where all would be out, the best one stays.

What differs from neard's: the counts are those up to the parent block, not up to the last final one.

genesis.json may set other figures, for chains of a few minutes, in an object of its own:
``"localneard_early_kickout": {"grace_blocks": 20, "min_missed": 5, "percent": 80}``.
"""

from dataclasses import dataclass, replace

from localneard.schedule import Count, Counts, Epoch, Validator
from localneard.sections import Section

SINCE_PROTOCOL = 87
GENESIS_KEY = "localneard_early_kickout"


@dataclass(frozen=True)
class EarlyKickout:
    """The figures of the rule."""

    grace_blocks: int = 1000
    min_missed: int = 100
    percent: int = 80

    def out(self, epoch: Epoch, counts: Counts) -> set[str]:
        """Return the accounts that get no more chunks, by the counts of their epoch up to some block."""
        seats = [(one.account_id, counts.get(one.account_id, Count())) for one in epoch.validators]
        bad = {
            account
            for account, count in seats
            if count.chunks_expected - count.chunks >= self.min_missed
            and count.chunks * 100 < self.percent * count.chunks_expected
        }
        if len(bad) == len(seats):
            # Of several as good as each other the first one stays.
            bad.remove(max(seats, key=lambda one: one[1].chunks / one[1].chunks_expected)[0])
        return bad

    def chunk_producer(self, epoch: Epoch, counts: Counts, start: int, height: int) -> Validator:
        """Return who is to make the chunk of a height.

        `counts` are those of the epoch that began at `start`, up to the block before.
        """
        usual = epoch.producer(height)
        if height - start < self.grace_blocks:
            return usual
        out = self.out(epoch, counts)
        if usual.account_id not in out:
            return usual
        left = tuple(one for one in epoch.validators if one.account_id not in out)
        return replace(epoch, validators=left).producer(height)


def read_early_kickout(top: Section) -> EarlyKickout | None:
    """Return the rule of a genesis.json, None if its protocol has none. Raises BadFileError."""
    if top.whole("protocol_version", 0) < SINCE_PROTOCOL:
        return None
    own = top.data.get(GENESIS_KEY, {})
    if not isinstance(own, dict):
        raise top.fail(GENESIS_KEY, "must be an object")
    section = Section(top.source, own, f"{GENESIS_KEY}.")
    if unknown := own.keys() - EarlyKickout.__dataclass_fields__.keys():
        raise section.fail(min(unknown), f"is none of {', '.join(EarlyKickout.__dataclass_fields__)}")
    usual = EarlyKickout()
    rule = EarlyKickout(
        section.whole("grace_blocks", usual.grace_blocks),
        section.whole("min_missed", usual.min_missed),
        section.whole("percent", usual.percent),
    )
    if not rule.min_missed:
        raise section.fail("min_missed", "must be at least 1")
    return rule
