"""Which processes of a localnet run: files that tell a process from a later one with the same pid."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from hafailover.lab.procfs import ProcessId, boot_id

FOLDER = "run"


class _PidFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    pid: int
    start_ticks: int
    boot_id: str


def write_pid_file(home: Path, name: str, process: ProcessId) -> None:
    """Note that a node runs as `process`."""
    folder = home / FOLDER
    folder.mkdir(exist_ok=True)
    document = _PidFile(pid=process.pid, start_ticks=process.start_ticks, boot_id=boot_id())
    new = folder / f".{name}.new"
    new.write_text(document.model_dump_json() + "\n", encoding="utf-8")
    new.replace(folder / f"{name}.json")


def remove_pid_file(home: Path, name: str) -> None:
    """Note that a node no longer runs."""
    (home / FOLDER / f"{name}.json").unlink(missing_ok=True)


def running_process(home: Path, name: str) -> ProcessId | None:
    """Return the process of a node if it still runs.

    A file that cannot be read counts as none, as does one from before the last boot.
    """
    try:
        text = (home / FOLDER / f"{name}.json").read_text(encoding="utf-8")
        document = _PidFile.model_validate_json(text)
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError, ValidationError):
        return None
    process = ProcessId(document.pid, document.start_ticks)
    return process if document.boot_id == boot_id() and process.is_alive() else None


def running_nodes(home: Path) -> dict[str, ProcessId]:
    """Return the processes of all nodes that run, by node name."""
    names = sorted(path.stem for path in (home / FOLDER).glob("*.json"))
    found = {name: running_process(home, name) for name in names}
    return {name: process for name, process in found.items() if process is not None}
