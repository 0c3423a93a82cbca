"""From the settings to a server that answers as they say."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from hafailover.config.load import load_settings
from hafailover.lab.ports import free_ports
from hafailover.web.start import serve

from ..observe.tiny_consul import ACCOUNT
from .served import NOWHERE, Served
from .test_access import TOKEN, Pair


@pytest.mark.parametrize("listen", ["127.0.0.1", "0.0.0.0"])
def test_token_and_certificate_are_asked_for_as_set(tmp_path: Path, listen: str) -> None:
    pair, token = Pair(tmp_path), tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    config = tmp_path / "config.toml"
    port = free_ports(1)[0]
    config.write_text(
        f'account_id = "{ACCOUNT}"\nlisten = "{listen}:{port}"\n[http]\ntoken_file = "{token}"\n'
        f'tls_cert_file = "{pair.cert}"\ntls_key_file = "{pair.key}"\n'
    )
    server = serve(load_settings(config), NOWHERE, Served().sources)
    try:
        with requests.Session() as session:
            session.trust_env = False
            session.verify = str(pair.cert)
            url = f"https://127.0.0.1:{port}/readyz"
            assert session.get(url, timeout=5).status_code == 401
            shown = {"Authorization": f"Bearer {TOKEN}"}
            assert session.get(url, timeout=5, headers=shown).text == "active: it beats\n"
    finally:
        server.stop()


@pytest.mark.parametrize("listen", ["127.0.0.1", "0.0.0.0", "localhost"])
def test_in_plain_and_for_everybody_only_names_of_this_machine_are_answered(
    tmp_path: Path, listen: str
) -> None:
    config = tmp_path / "config.toml"
    port = free_ports(1)[0]
    config.write_text(
        f'account_id = "{ACCOUNT}"\nlisten = "{listen}:{port}"\n'
        '[http]\nallow_plain = true\nnames = ["host1.example"]\n'
    )
    server = serve(load_settings(config), NOWHERE, Served().sources)
    try:
        with requests.Session() as session:
            session.trust_env = False
            for host, status in (("evil.example", 421), ("host1.example", 200), (f"{listen}:{port}", 200)):
                url = f"http://127.0.0.1:{port}/readyz"
                assert session.get(url, timeout=5, headers={"Host": host}).status_code == status
    finally:
        server.stop()
