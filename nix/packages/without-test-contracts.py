"""Takes near-dump-test-contract out of a nearcore source tree: python3 without-test-contracts.py SOURCE

neard depends on it for one subcommand that writes out test contracts. Its build script compiles five more
crates for wasm with a nightly feature and lock files of their own, none of which a build without network can
do. Two files change: neard/Cargo.toml and neard/src/cli.rs. If the source no longer looks as expected, this
says so and fails; it never leaves half of it.
"""

import re
import sys
from pathlib import Path

CRATE = "near-dump-test-contract"
IMPORT = re.compile(r"^use near_dump_test_contract::(\w+);\n", re.MULTILINE)


def without_dependency(manifest: str) -> str:
    """neard/Cargo.toml without the crate: its dependency line and its entry in test_features."""
    manifest = re.sub(rf"^{CRATE}(\.workspace)? = .*\n", "", manifest, flags=re.MULTILINE)
    return re.sub(rf'^ *"{CRATE}/[^"]*",?\n|"{CRATE}/[^"]*",? ?', "", manifest, flags=re.MULTILINE)


def without_subcommand(source: str) -> str:
    """neard/src/cli.rs without the subcommand: import, variant with its comments, and match arm.

    :raises ValueError: one of the three is not there, or not as expected.
    """
    found = IMPORT.search(source)
    if found is None:
        raise ValueError("no line `use near_dump_test_contract::...;`")
    command = found[1]
    source = IMPORT.sub("", source)
    variant = re.search(rf"(?:^ +(?:///|#\[).*\n)*^ +(\w+)\({command}\),\n\n?", source, re.MULTILINE)
    if variant is None:
        raise ValueError(f"no subcommand with {command}")
    source = source[: variant.start()] + source[variant.end() :]
    arm = re.compile(rf"^( +)NeardSubCommand::{variant[1]}\(\w+\) => \{{\n(?:\1 .*\n)*\1\}}\n", re.MULTILINE)
    source, arms = arm.subn("", source)
    if arms != 1:
        raise ValueError(f"no match arm of the known form for NeardSubCommand::{variant[1]}")
    return source


def main(root: Path) -> str:
    """Changes the tree; returns what was done. Raises ValueError before anything is written."""
    manifest, cli = root / "neard/Cargo.toml", root / "neard/src/cli.rs"
    old = manifest.read_text()
    if CRATE not in old:
        return f"neard does not depend on {CRATE}: nothing to take out"
    new = {manifest: without_dependency(old), cli: without_subcommand(cli.read_text())}
    for path, text in new.items():
        left = re.search(r"near[-_]dump[-_]test[-_]contract", text)
        if left is not None:
            raise ValueError(f"{path}: {left[0]} is still there after all known places are changed")
    for path, text in new.items():
        path.write_text(text)
    return f"took {CRATE} out of {manifest} and {cli}"


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{main(Path(sys.argv[1]))}\n")
    except (OSError, ValueError) as error:
        sys.exit(f"nearcore's source is not as expected: {error}; mkNeard has to learn of the change")
