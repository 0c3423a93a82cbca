"""Notes, all along, whether this host's neard has a validator key loaded: python3 keywatch.py PORT

One line for each answer of neard's /status that shows a key: when it was asked for and when it came, in
seconds since the epoch. The machines of a test share a clock, or have theirs set to within milliseconds.
"""

import http.client
import json
import sys
import time

EVERY_S = 0.05
DEADLINE_S = 0.5


def key(port: int) -> str | None:
    """The public key that neard signs with; None without one, and without an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    try:
        connection.request("GET", "/status")
        status = json.loads(connection.getresponse().read())
        found = status["validator_public_key"]
        return found if isinstance(found, str) else None
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return None
    finally:
        connection.close()


def watch(port: int) -> None:
    """Until the service is stopped."""
    while True:
        asked = time.time()
        if key(port) is not None:
            print(f"{asked:.3f} {time.time():.3f}", flush=True)
        time.sleep(EVERY_S)


if __name__ == "__main__":
    watch(int(sys.argv[1]))
