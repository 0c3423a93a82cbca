"""Kernel parameters that neard itself looks at when it starts, and the number of files it needs."""

from __future__ import annotations

from hafailover.doctor.facts.kernel import KernelFacts
from hafailover.doctor.finding import Finding, ok, skipped, warning

OPEN_FILES = 65535
"""neard raises its limit to this, and ends if it cannot (nearcore, neard/src/main.rs)."""
WANTED = {
    "net.core.rmem_max": "8388608",
    "net.core.wmem_max": "8388608",
    "net.ipv4.tcp_rmem": "4096 87380 8388608",
    "net.ipv4.tcp_wmem": "4096 16384 8388608",
    "net.ipv4.tcp_slow_start_after_idle": "0",
}
"""By nearcore's scripts/set_kernel_params.sh and near/node-docs. neard logs errors for others."""
AT_LEAST = ("net.core.rmem_max", "net.core.wmem_max", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem")
"""More than is asked for does no harm."""


def judge(facts: KernelFacts) -> list[Finding]:
    return [*_parameters(facts), *_open_files(facts)]


def _parameters(facts: KernelFacts) -> list[Finding]:
    found, unseen = [], []
    for name, wanted in WANTED.items():
        value = facts.values.get(name)
        if value is None:
            unseen.append(name)
        elif not _meets(name, value, wanted):
            found.append(
                warning(
                    "kernel.network",
                    f"{name} is {value}; neard wants {wanted}",
                    f"in /etc/sysctl.d/90-neard.conf: {name} = {wanted}; then: sysctl --system",
                )
            )
    if unseen:
        found.append(skipped("kernel.network", f"not visible here: {', '.join(unseen)}"))
    return found or [ok("kernel.network", "the network's buffers are as neard wants them")]


def _meets(name: str, value: str, wanted: str) -> bool:
    if name not in AT_LEAST:
        return value == wanted
    got, least = value.split(), wanted.split()
    # Of three numbers, the last is the limit; the others are where each connection starts.
    return got[-1].isdecimal() and int(got[-1]) >= int(least[-1])


def _open_files(facts: KernelFacts) -> list[Finding]:
    if not facts.guard_runs:
        return [skipped("kernel.files", "the guard does not run, or cannot be seen as this user")]
    if facts.open_files is None:
        return [skipped("kernel.files", "the guard's limits cannot be read as this user")]
    if facts.open_files < OPEN_FILES:
        return [
            warning(
                "kernel.files",
                f"neard asks for {OPEN_FILES} open files; the limit here, of the guard that starts it, is "
                f"{facts.open_files}: unless it runs as root, it does not start",
                "set LimitNOFILE=1048576 in neard.service, and restart it",
            )
        ]
    return [ok("kernel.files", f"at least {OPEN_FILES} open files are allowed")]
