"""nix/packages/without-test-contracts.py, on a nearcore source tree in miniature."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "nix" / "packages" / "without-test-contracts.py"

MANIFEST = """\
[package]
name = "neard"

[dependencies]
near-crypto.workspace = true
near-dump-test-contract.workspace = true
near-dyn-configs.workspace = true

[features]
default = ["json_rpc"]
test_features = [
  "near-dump-test-contract/test_features",
  "nearcore/test_features",
]
"""

CLI = """\
use near_database_tool::commands::DatabaseCommand;
use near_dump_test_contract::DumpTestContractCommand;
use near_dyn_configs::UpdatableConfigs;

fn run() {
        match neard_cmd.subcmd {
            NeardSubCommand::ReplayArchive(cmd) => {
                cmd.run(&home_dir, genesis_validation)?;
            }
            NeardSubCommand::DumpTestContracts(cmd) => {
                cmd.run()?;
            }
            NeardSubCommand::DumpEpochConfigs(cmd) => {
                cmd.run(&home_dir)?;
            }
        };
}

enum NeardSubCommand {
    /// Replays the blocks in the chain from an archival node.
    ReplayArchive(ReplayArchiveCommand),

    /// Placeholder for test contracts subcommand
    DumpTestContracts(DumpTestContractCommand),

    /// Dump hard-coded epoch configs into JSON files
    DumpEpochConfigs(DumpEpochConfigsCommand),
}
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "neard" / "src").mkdir(parents=True)
    (tmp_path / "neard" / "Cargo.toml").write_text(MANIFEST)
    (tmp_path / "neard" / "src" / "cli.rs").write_text(CLI)
    return tmp_path


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("without_test_contracts", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(source: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), str(source)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_only_the_crate_and_its_subcommand_go(source: Path) -> None:
    done = run(source)
    assert done.returncode == 0, done.stderr
    gone = {
        "Cargo.toml": [
            "near-dump-test-contract.workspace = true",
            '"near-dump-test-contract/test_features",',
        ],
        "src/cli.rs": [
            "use near_dump_test_contract::DumpTestContractCommand;",
            "NeardSubCommand::DumpTestContracts(cmd) => {",
            "cmd.run()?;",
            "}",
            "/// Placeholder for test contracts subcommand",
            "DumpTestContracts(DumpTestContractCommand),",
            "",
        ],
    }
    for name, old in {"Cargo.toml": MANIFEST, "src/cli.rs": CLI}.items():
        new = (source / "neard" / name).read_text().splitlines()
        removed = old.splitlines()
        for line in new:
            removed.remove(line)
        assert [line.strip() for line in removed] == gone[name]


def test_a_feature_list_on_one_line_is_known_too(source: Path, script: ModuleType) -> None:
    manifest = 'test_features = ["near-dump-test-contract/test_features", "nearcore/test_features"]\n'
    assert script.without_dependency(manifest) == 'test_features = ["nearcore/test_features"]\n'
    manifest = 'near-dump-test-contract = { path = "../tools/dump-test-contract" }\n'
    assert script.without_dependency(manifest) == ""


def test_a_source_that_does_not_have_the_crate_stays_as_it_is(source: Path) -> None:
    change(source / "neard" / "Cargo.toml", "near-dump-test-contract", "near-other")
    before = (source / "neard" / "src" / "cli.rs").read_text()
    done = run(source)
    assert done.returncode == 0, done.stderr
    assert "nothing to take out" in done.stdout
    assert (source / "neard" / "src" / "cli.rs").read_text() == before


@pytest.mark.parametrize(
    ("file", "old", "new", "named"),
    [
        ("src/cli.rs", "use near_dump_test_contract::", "use other::", "use near_dump_test_contract"),
        ("src/cli.rs", "DumpTestContracts(DumpTestContractCommand)", "Dump { a: u8 }", "no subcommand with"),
        ("src/cli.rs", "DumpTestContracts(cmd) => {", "DumpTestContracts(cmd) =>", "no match arm"),
        ("src/cli.rs", "fn run() {", "fn run() { near_dump_test_contract::f();", "still there"),
        ("Cargo.toml", "near-dump-test-contract.workspace", '"near-dump-test-contract"', "still there"),
    ],
)
def test_a_source_that_has_changed_is_refused_and_not_touched(
    source: Path, file: str, old: str, new: str, named: str
) -> None:
    change(source / "neard" / file, old, new)
    before = {path: path.read_text() for path in source.rglob("*.*")}
    done = run(source)
    assert done.returncode == 1
    assert named in done.stderr
    assert "mkNeard has to learn of the change" in done.stderr
    assert {path: path.read_text() for path in source.rglob("*.*")} == before


def test_a_folder_that_is_not_nearcore_is_named(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 1
    assert str(tmp_path / "neard" / "Cargo.toml") in done.stderr
