"""A fake neard for tests of the guard: no chain, just the parts that the guard works with, and their faults.

It reads config.json and the key files as neard does, answers /status, reloads at SIGHUP, ends at SIGTERM.
What it does is written to `fake.log` in its home, one JSON object a line with the time on CLOCK_BOOTTIME.
`fake.json` there sets its faults, and is read again whenever it matters:

  boot_s   seconds until RPC and signal handlers stand
  rpc      "hang" (takes the request, never answers), "garbage" (a status with the wrong kinds of values),
           "noise" (not even HTTP) or "foreign" (the status of another neard)
  reload   "refuse" (as over a broken config.json), "ignore", or {"slow": seconds}
  stop     "never", or seconds
  exit     an exit code to end with right at the start
"""

import http.server
import json
import os
import signal
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HOME = Path(sys.argv[sys.argv.index("--home") + 1])


def fault(name: str) -> Any:
    try:
        return json.loads((HOME / "fake.json").read_text()).get(name)
    except (OSError, ValueError):
        return None


def log(event: str, **more: Any) -> None:
    line = json.dumps(
        {"at": time.clock_gettime(time.CLOCK_BOOTTIME), "pid": os.getpid(), "event": event, **more}
    )
    # Where it is a link: to open that for writing would wait for the home's disk, too.
    descriptor = os.open(os.path.realpath(HOME / "fake.log"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(descriptor, line.encode() + b"\n")
    os.close(descriptor)


def read_files() -> str | None:
    """The public key that a start or a reload finds; any broken file raises, as neard refuses them all."""
    config = json.loads((HOME / "config.json").read_text())
    if (HOME / "log_config.json").exists():
        json.loads((HOME / "log_config.json").read_text())
    path = HOME / config.get("validator_key_file", "validator_key.json")
    return str(json.loads(path.read_text())["public_key"]) if path.exists() else None


class Node:
    key: str | None = None
    reloading = False
    started = time.monotonic()


def status() -> bytes:
    node_key = json.loads((HOME / "node_key.json").read_text())["public_key"]
    kind = fault("rpc")
    if kind == "hang":
        time.sleep(60)
    answer: dict[str, Any] = {
        "version": {"version": "0.0.0-fake"},
        "sync_info": {
            "latest_block_height": int((time.monotonic() - Node.started) * 10),
            "latest_block_time": datetime.now(UTC).isoformat(),
            "syncing": False,
        },
        "validator_public_key": Node.key,
        "node_public_key": node_key,
    }
    if kind == "garbage":
        answer["node_public_key"] = [node_key]
    elif kind == "foreign":
        answer |= {"node_public_key": "ed25519:Another", "validator_public_key": None}
    return json.dumps(answer).encode()


class Rpc(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if fault("rpc") == "noise":
            self.wfile.write(bytes(range(256)))
            return
        body = status()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


wanted = threading.Event()


def hangup(*_: object) -> None:
    """A signal that comes while a reload is under way is lost, as with neard."""
    if not Node.reloading:
        wanted.set()


def reload() -> None:
    kind = fault("reload")
    if kind == "ignore":
        log("hup ignored")
        return
    if isinstance(kind, dict):
        time.sleep(kind["slow"])
    try:
        if kind == "refuse":
            raise ValueError
        key = read_files()
    except (OSError, ValueError, KeyError):
        log("reload refused")
        return
    Node.key = key
    log("reload", key=key)


def stop(*_: object) -> None:
    kind = fault("stop")
    log("term")
    if kind == "never":
        return
    time.sleep(kind or 0)
    log("stop")
    os._exit(0)


def main() -> None:
    log("start", argv=sys.argv[1:], hup_ignored=signal.getsignal(signal.SIGHUP) is signal.SIG_IGN)
    code = fault("exit")
    if code is not None:
        sys.exit(code)
    try:
        Node.key = read_files()
    except (OSError, ValueError) as error:
        sys.exit(f"its files cannot be read: {error}")
    node_key = json.loads((HOME / "node_key.json").read_text())["public_key"]
    log("read", key=Node.key, node_key=node_key)
    time.sleep(fault("boot_s") or 0)
    host, _, port = json.loads((HOME / "config.json").read_text())["rpc"]["addr"].rpartition(":")
    try:
        server = http.server.ThreadingHTTPServer((host, int(port)), Rpc)
    except OSError as error:
        # neard ends at once when it cannot have its port.
        log("port taken")
        sys.exit(f"{host}:{port}: {error.strerror}")
    server.daemon_threads = True
    signal.signal(signal.SIGHUP, hangup)
    signal.signal(signal.SIGTERM, stop)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    log("up")
    while True:
        wanted.wait()
        Node.reloading = True
        wanted.clear()
        reload()
        Node.reloading = False


if __name__ == "__main__":
    main()
