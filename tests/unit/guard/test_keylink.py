"""The key link on a real disk: always a link, gone when it must be, and no file of anybody's ever lost."""

import contextlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hafailover.guard.keylink import KeyLink, LinkError
from hafailover.near.home import NeardHome, load_home

from ..near.keys import ACCOUNT, public_key, write_key

POOL_PUBLIC = public_key("pool")
NOBODY = 65534


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A folder, and a user whom modes keep from things: root becomes nobody for the time of the test."""
    folder = Path(tempfile.mkdtemp(prefix="hafailover-"))
    root = os.geteuid() == 0
    if root:
        os.chown(folder, NOBODY, NOBODY)
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
    try:
        yield folder
    finally:
        if root:
            os.seteuid(0)
            os.setegid(0)
        shutil.rmtree(folder)


@pytest.fixture
def home(tmp_path: Path) -> NeardHome:
    folder = tmp_path / "neard"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"rpc": {"addr": "127.0.0.1:3030"}}))
    write_key(folder / "node_key.json", "host", account_id="node")
    return load_home(folder)


@pytest.fixture
def credential(tmp_path: Path) -> Path:
    return write_key(tmp_path / "secrets" / "pool.json", "pool")


@pytest.fixture
def pool_node_key(tmp_path: Path) -> Path:
    return write_key(tmp_path / "secrets" / "node.json", "pool-node", account_id="node")


@pytest.fixture
def link(home: NeardHome, credential: Path) -> KeyLink:
    return KeyLink(home, credential, ACCOUNT, POOL_PUBLIC)


@pytest.fixture
def swapping(home: NeardHome, credential: Path, pool_node_key: Path) -> KeyLink:
    return KeyLink(home, credential, ACCOUNT, POOL_PUBLIC, pool_node_key)


def content_of(*paths: Path) -> list[bytes]:
    return [path.read_bytes() for path in paths]


def no_secret_under(folder: Path) -> bool:
    """Whether no regular file below the folder holds a validator key."""
    return not any(
        ACCOUNT.encode() in path.read_bytes() and b"secret_key" in path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    )


# --- hot swap


def test_placing_makes_a_link_and_removing_takes_it_away(
    link: KeyLink, home: NeardHome, credential: Path
) -> None:
    link.prepare()
    assert not home.validator_key.exists()

    link.place()
    assert home.validator_key.is_symlink()
    assert home.validator_key.readlink() == credential
    assert home.validator_key.read_bytes() == credential.read_bytes()
    assert no_secret_under(home.path)

    link.remove()
    assert not os.path.lexists(home.validator_key)
    assert {path.name for path in home.path.iterdir()} == {"config.json", "node_key.json"}
    assert credential.exists()


def test_both_may_be_done_again(link: KeyLink, home: NeardHome) -> None:
    for _ in range(2):
        link.place()
        link.place()
        assert home.validator_key.is_symlink()
        link.remove()
        link.remove()
        assert not os.path.lexists(home.validator_key)


def test_a_link_left_over_is_removed(link: KeyLink, home: NeardHome, credential: Path) -> None:
    home.validator_key.symlink_to(credential)
    link.prepare()
    assert not os.path.lexists(home.validator_key)
    assert credential.exists()


def test_a_dangling_link_left_over_is_removed(link: KeyLink, home: NeardHome) -> None:
    home.validator_key.symlink_to("/nowhere/validator_key.json")
    link.prepare()
    assert not os.path.lexists(home.validator_key)


def test_a_half_made_link_does_not_stand_in_the_way(link: KeyLink, home: NeardHome, credential: Path) -> None:
    (home.path / ".validator_key.json.new").symlink_to("/nowhere")
    link.place()
    assert home.validator_key.readlink() == credential
    assert not os.path.lexists(home.path / ".validator_key.json.new")


def test_a_real_key_in_the_home_is_refused_and_stays(link: KeyLink, home: NeardHome) -> None:
    write_key(home.validator_key, "other")
    before = content_of(home.validator_key)

    with pytest.raises(LinkError, match=r"a real file lies where only a link may be.*move it out"):
        link.prepare()

    assert content_of(home.validator_key) == before
    assert not home.validator_key.is_symlink()


def test_a_real_key_that_has_come_since_is_not_removed(link: KeyLink, home: NeardHome) -> None:
    link.prepare()
    write_key(home.validator_key, "other")
    before = content_of(home.validator_key)

    with pytest.raises(LinkError, match="a real file has come"):
        link.remove()

    assert content_of(home.validator_key) == before


def test_a_real_key_that_has_come_since_is_not_overwritten(link: KeyLink, home: NeardHome) -> None:
    """It may be the only copy there is."""
    link.prepare()
    write_key(home.validator_key, "other")
    before = content_of(home.validator_key)

    with pytest.raises(LinkError, match="real file"):
        link.place()

    assert not home.validator_key.is_symlink()
    assert content_of(home.validator_key) == before


def test_an_own_link_that_names_the_credential_itself_is_not_turned_on_itself(
    tmp_path: Path, credential: Path
) -> None:
    """config.json names the credential, which is itself a link, as secrets managers make them."""
    managed = tmp_path / "run" / "validator_key"
    managed.parent.mkdir()
    managed.symlink_to(credential)
    folder = tmp_path / "neard"
    folder.mkdir()
    write_key(folder / "node_key.json", "host", account_id="node")
    (folder / "config.json").write_text(json.dumps({"validator_key_file": str(managed)}))
    link = KeyLink(load_home(folder), managed, ACCOUNT, POOL_PUBLIC)

    for step in (link.prepare, link.place, link.remove):
        with contextlib.suppress(LinkError):
            step()

    assert managed.readlink() == credential


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda path: path.unlink(), "No such file"),
        (lambda path: path.chmod(0o640), "chmod 600"),
        (lambda path: path.write_text("{"), "not valid JSON"),
        (lambda path: write_key(path, "other"), "the key has changed since the guard started"),
        (lambda path: write_key(path, "pool", account_id="else.near"), "the key is of account else.near"),
    ],
    ids=["missing", "readable", "garbage", "another key", "another account"],
)
def test_a_credential_that_is_not_what_it_was_is_not_linked(
    link: KeyLink, home: NeardHome, credential: Path, spoil: Callable[[Path], object], told: str
) -> None:
    spoil(credential)

    with pytest.raises(LinkError, match=told):
        link.place()

    assert not os.path.lexists(home.validator_key)


@pytest.mark.parametrize("name", ["config.json", "log_config.json"])
def test_what_neard_would_refuse_is_not_linked(link: KeyLink, home: NeardHome, name: str) -> None:
    (home.path / name).write_text('{"a": ')

    with pytest.raises(LinkError, match=f"neard would refuse to load the key.*{name}"):
        link.place()

    assert not os.path.lexists(home.validator_key)
    link.remove()
    assert name in link.reload_obstacles()[0]


def test_no_place_for_the_link(tmp_path: Path, credential: Path, home: NeardHome) -> None:
    (home.path / "config.json").write_text(json.dumps({"validator_key_file": "keys/validator_key.json"}))
    link = KeyLink(load_home(home.path), credential, ACCOUNT, POOL_PUBLIC)

    with pytest.raises(LinkError, match=r"keys/validator_key.json: cannot be created.*check the disk"):
        link.place()

    (home.path / "keys").write_text("a file in place of the folder")
    with pytest.raises(LinkError, match="cannot be created"):
        link.place()
    link.remove()


def test_a_temporary_name_that_is_taken_is_an_error_of_its_own_kind(link: KeyLink, home: NeardHome) -> None:
    (home.path / ".validator_key.json.new").mkdir()

    with pytest.raises(LinkError, match="cannot be created"):
        link.place()

    assert not os.path.lexists(home.validator_key)


def test_a_folder_that_cannot_be_written(unprivileged: Path) -> None:
    credential = write_key(unprivileged / "secrets" / "pool.json", "pool")
    folder = unprivileged / "neard"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    home = load_home(folder)
    link = KeyLink(home, credential, ACCOUNT, POOL_PUBLIC)
    link.place()
    folder.chmod(0o500)
    try:
        with pytest.raises(LinkError, match="cannot be removed: Permission denied"):
            link.remove()
        with pytest.raises(LinkError, match="cannot be created: Permission denied"):
            link.place()
        assert home.validator_key.is_symlink()
    finally:
        folder.chmod(0o700)


def test_a_folder_that_cannot_even_be_looked_into(unprivileged: Path) -> None:
    credential = write_key(unprivileged / "secrets" / "pool.json", "pool")
    folder = unprivileged / "neard"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    link = KeyLink(load_home(folder), credential, ACCOUNT, POOL_PUBLIC)
    link.place()
    folder.chmod(0o600)
    try:
        assert link.reload_obstacles()
        for step in (link.prepare, link.place, link.remove):
            with pytest.raises(LinkError):
                step()
    finally:
        folder.chmod(0o700)


# --- the node key, where neard swaps keys by restart


def own_node_key(home: NeardHome) -> Path:
    return home.path / "node_key.host.json"


def test_the_hosts_node_key_is_kept_under_a_name_of_its_own(swapping: KeyLink, home: NeardHome) -> None:
    before = content_of(home.node_key)

    swapping.prepare()
    swapping.prepare()

    assert home.node_key.is_symlink()
    assert home.node_key.readlink() == own_node_key(home)
    assert content_of(own_node_key(home)) == before
    assert stat.S_IMODE(own_node_key(home).stat().st_mode) == 0o600


def test_the_node_key_is_swapped_and_back(swapping: KeyLink, home: NeardHome, pool_node_key: Path) -> None:
    before = content_of(home.node_key)
    swapping.prepare()

    swapping.place()
    assert home.node_key.readlink() == pool_node_key
    assert home.validator_key.is_symlink()
    swapping.remove()

    assert not os.path.lexists(home.validator_key)
    assert home.node_key.readlink() == own_node_key(home)
    assert content_of(home.node_key) == before


@pytest.mark.parametrize("validator_linked", [True, False])
def test_a_guard_that_died_while_armed_leaves_the_pools_node_key_to_nobody(
    swapping: KeyLink, home: NeardHome, validator_linked: bool
) -> None:
    """Two nodes with one node key disturb each other; the next start must find this host's own."""
    before = content_of(home.node_key)
    swapping.prepare()
    swapping.place()
    if not validator_linked:
        # It was killed between the two links.
        home.validator_key.unlink()

    swapping.prepare()

    assert not os.path.lexists(home.validator_key)
    assert content_of(home.node_key) == before


def test_two_real_node_keys_are_refused_and_stay(swapping: KeyLink, home: NeardHome) -> None:
    write_key(own_node_key(home), "another host", account_id="node")
    before = content_of(home.node_key, own_node_key(home))

    with pytest.raises(LinkError, match="both exist"):
        swapping.prepare()

    assert content_of(home.node_key, own_node_key(home)) == before


def test_a_real_node_key_that_has_come_since_is_not_overwritten(swapping: KeyLink, home: NeardHome) -> None:
    swapping.prepare()
    home.node_key.unlink()
    write_key(home.node_key, "made anew", account_id="node")
    before = home.node_key.read_bytes()

    with contextlib.suppress(LinkError):
        swapping.place()

    kept = [path for path in home.path.iterdir() if not path.is_symlink() and path.read_bytes() == before]
    assert kept, "the node key that lay there is gone"


def test_a_missing_node_key_is_an_error_of_its_own_kind(swapping: KeyLink, home: NeardHome) -> None:
    home.node_key.unlink()

    with pytest.raises(LinkError, match=r"node_key\.json"):
        swapping.prepare()
