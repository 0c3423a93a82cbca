"""localneard: a stand-in for neard on localnets. It is no NEAR node and joins no public network.

It speaks neard's command line, reads and writes neard's files, answers neard's RPC and takes neard's signals,
so that what is built for neard can be tried without it, and the real binary drops in by one setting. Behind
that stands a small real network: blocks with real ed25519 signatures, gossiped over TCP between processes.

As on NEAR, a block needs approvals of more than two thirds of the stake, validators endorse chunks, and all
that is sent to a validator goes to the node that its record names, over TIER1 connections first (`approvals`,
`chunks`, `accounts`, `tier1`, `routing`). So what a change of signer costs shows here as on the real neard: a
host that vanishes keeps its TIER1 connections at its peers, which go on sending to it, and a process that has
dropped its key goes on speaking for it until it ends.

How its chain differs from NEAR's:

- The highest block wins; approvals are not kept in blocks, nor looked at by those who receive one. What a
  process has approved it does not know any more after a restart.
- One shard. The producer of a height's chunk is the producer of its block, and makes it half of the block
  time after the head. Every validator is to endorse every chunk. There are no transactions, so a validator
  that was kicked out stays out.
- Mail takes the shortest way between peers, and AnnounceAccount, neard's last resort, is left out. No address
  is found out by STUN: without `public_addrs` a node has no proxies. `connect_only_to_boot_nodes` makes
  networks of several hops.
- EarlyKickout goes by the counts up to the parent block, not up to the last final one
  (`localneard.early_kickout`).

What it has that neard lacks: evidence of double signing (`localneard.evidence`), delays and faults on demand
(`localneard.settings`), and four routes under ``/localneard/`` (`localneard.rpc.observe`).
"""

__version__ = "0.1.0"

RELEASE = f"localneard-{__version__}"
BUILD = "stand-in"
PROTOCOL_VERSION = 84
MIN_PROTOCOL_VERSION = 80
DB_VERSION = 47
