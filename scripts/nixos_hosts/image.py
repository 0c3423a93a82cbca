"""The Debian that the containers run, made once, and this product on top of it, made for each run."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from nixos_hosts.command import run
from nixos_hosts.problem import Skip

SUITE = "bookworm"
PYTHON = "3.11"
PACKAGES = (
    "bash",
    "ca-certificates",
    "curl",
    "dbus",
    "iproute2",
    "iptables",
    "iputils-ping",
    "jq",
    "procps",
    "python3",
    "systemd",
    "systemd-sysv",
    "util-linux",
)
MASKED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "console-getty.service",
    "getty.target",
    "systemd-networkd.service",
    "systemd-resolved.service",
    "systemd-timesyncd.service",
)
DEBOOTSTRAP_TIMEOUT_S = 900
PIP_TIMEOUT_S = 600


def cache() -> Path:
    """Where the Debian is kept, outside of the checkout."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "hafailover" / "nixos-hosts"


def debian(say: Callable[[str], None]) -> Path:
    """The root of a minimal Debian, made by debootstrap unless it is in the cache.

    :raises Skip: debootstrap is not there.
    """
    recipe = "\n".join([SUITE, *PACKAGES, *MASKED, "1"])
    root = cache() / f"debian-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    if root.is_dir():
        return root
    if shutil.which("debootstrap") is None:
        raise Skip("debootstrap is not here: apt-get install debootstrap")
    say(f"making a Debian {SUITE} in {root} (once, about two minutes)")
    new = root.with_name(f"{root.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.parent.mkdir(parents=True, exist_ok=True)
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, str(new)]
    run([*command, *_mirror()], DEBOOTSTRAP_TIMEOUT_S)
    for unit in MASKED:
        (new / "etc/systemd/system" / unit).unlink(missing_ok=True)
        (new / "etc/systemd/system" / unit).symlink_to("/dev/null")
    (new / "etc/systemd/system/default.target").unlink(missing_ok=True)
    (new / "etc/systemd/system/default.target").symlink_to("/lib/systemd/system/multi-user.target")
    for left in ("etc/hostname", "etc/resolv.conf", "etc/machine-id", "var/lib/dbus/machine-id"):
        (new / left).unlink(missing_ok=True)
    (new / "etc/fstab").write_text("")
    # The journal survives a power cut, so that a failure can be read afterwards.
    (new / "var/log/journal").mkdir(exist_ok=True)
    shutil.rmtree(new / "var/cache/apt", ignore_errors=True)
    new.rename(root)
    return root


def _mirror() -> list[str]:
    """The mirror that this machine itself uses; debootstrap's own choice where it names none."""
    for path in sorted(Path("/etc/apt").glob("sources.list*")) + sorted(
        Path("/etc/apt/sources.list.d").glob("*")
    ):
        if path.is_file():
            match = re.search(r"(?m)^(?:URIs:|deb(?: \[[^]]*\])?)\s+(https?://\S+)", path.read_text())
            if match is not None:
                return [match[1]]
    return []


def product(project: Path, folder: Path, consul: Path) -> None:
    """Writes this checkout's product with its locked dependencies, and Consul, as a layer above Debian."""
    packages = folder / "opt" / "hafailover"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "-q",
        "install",
        "--target",
        str(packages),
    ]
    run(
        [
            *pip,
            "--python-version",
            PYTHON,
            "--only-binary=:all:",
            "--require-hashes",
            "-r",
            project / "requirements.lock",
        ],
        PIP_TIMEOUT_S,
    )
    run([*pip, "--no-deps", "--no-build-isolation", "--upgrade", project], PIP_TIMEOUT_S)
    found = folder / "usr/lib/python3/dist-packages/hafailover.pth"
    found.parent.mkdir(parents=True)
    found.write_text("/opt/hafailover\n")
    commands = folder / "usr/bin"
    commands.mkdir(parents=True)
    for name, module in (("hafailover", "hafailover.cli.main"), ("localneard", "localneard.cli")):
        _executable(
            commands / name,
            f"#!/usr/bin/python3\nimport sys\nfrom {module} import main\nsys.exit(main())\n",
        )
    shutil.copy2(consul, commands / "consul")
    (commands / "consul").chmod(0o755)


def _executable(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)
