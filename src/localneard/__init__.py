"""localneard: a stand-in for neard on localnets. It is no NEAR node and joins no public network.

It speaks neard's command line, reads and writes neard's files, answers neard's RPC and takes neard's signals,
so that what is built for neard can be tried without it, and the real binary drops in by one setting. Behind
that stands a small real network: blocks with real ed25519 signatures, gossiped over TCP between processes.

How its chain differs from NEAR's:

- Blocks need no approvals. A node alone goes on producing in its own turns; NEAR stands still without two
  thirds of the stake. The highest block wins.
- Each block carries one chunk, made by the block's producer; there are no transactions, so a validator that
  was kicked out stays out, and endorsements are not counted.
- EarlyKickout goes by the counts up to the parent block, not up to the last final one
  (`localneard.early_kickout`).
- There is no TIER1 routing by account. In particular, a neard that has dropped its key goes on advertising
  itself for it until it is restarted; the stand-in does not.

What it has that neard lacks: evidence of double signing (`localneard.evidence`), delays and faults on demand
(`localneard.settings`), and three routes under ``/localneard/`` (`localneard.rpc.observe`).
"""

__version__ = "0.1.0"

RELEASE = f"localneard-{__version__}"
BUILD = "stand-in"
PROTOCOL_VERSION = 84
MIN_PROTOCOL_VERSION = 80
DB_VERSION = 47
