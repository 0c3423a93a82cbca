"""The Debian that the containers run, made once, and this product on top of it, made for each run."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
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
    "netcat-openbsd",
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
IGNORED = shutil.ignore_patterns("*.egg-info", "__pycache__")


def cache() -> Path:
    """Where the Debian is kept, outside of the checkout."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "hafailover" / "nixos-hosts"


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Lets one process at a time put something into the cache; the others wait."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def debian(say: Callable[[str], None]) -> Path:
    """The root of a minimal Debian, made by debootstrap unless it is in the cache.

    :raises Skip: debootstrap is not there.
    """
    recipe = "\n".join([SUITE, *PACKAGES, *MASKED, "1"])
    root = cache() / f"debian-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    with alone():
        if not root.is_dir():
            _make_debian(root, say)
    return root


def _make_debian(root: Path, say: Callable[[str], None]) -> None:
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


def _mirror() -> list[str]:
    """The mirror that this machine itself uses; debootstrap's own choice where it names none."""
    folder = Path("/etc/apt")
    for path in (folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))):
        found = first_mirror(path.read_text()) if path.is_file() else None
        if found is not None:
            return [found]
    return []


def first_mirror(text: str) -> str | None:
    """The first mirror of Debian itself that a file of apt's sources names, in either of its two formats."""
    for match in re.finditer(r"(?m)^(?:URIs:|deb(?:[ \t]+\[[^]]*\])?)[ \t]+(https?://\S+)", text):
        if re.search(r"/debian/?$", match[1]):
            return match[1]
    return None


def product(project: Path, folder: Path, consul: Path) -> None:
    """Writes this checkout's product with its locked dependencies, and Consul, as a layer above the Debian.

    :raises Broken: pip cannot install them.
    """
    packages = folder / "opt" / "hafailover"
    pip: list[str | Path] = [sys.executable, "-P", "-m", "pip", "install", "-q"]
    pip.append("--disable-pip-version-check")
    pip += ["--target", packages]
    wheels = ("--python-version", PYTHON, "--only-binary=:all:", "--require-hashes")
    run([*pip, *wheels, "-r", project / "requirements.lock"], PIP_TIMEOUT_S)
    # Built from a copy: setuptools leaves its folders in what it builds from, and uses what it finds there.
    source = folder.with_name(f"{folder.name}.source")
    shutil.copytree(project / "src", source / "src", ignore=IGNORED)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy2(project / name, source)
    run([*pip, "--no-deps", "--no-build-isolation", source], PIP_TIMEOUT_S)
    shutil.rmtree(source)
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
