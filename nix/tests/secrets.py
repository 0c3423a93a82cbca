"""Where the pool's key is and, above all, where it is not."""

start_all()
pool = Pool("secrets", chain, [host1, host2, host3])
pool.set_up()
pool.wait_safe()
active = pool.active(30)
standby = pool.others(active)[0]
secret = json.loads(active.succeed(f"cat {SECRETS}/validator_key.json"))["secret_key"]
word = secret.removeprefix("ed25519:")
assert len(word) > 60

with subtest("the key file is root's alone, and no store path"):
    for host in pool.hosts:
        assert host.succeed(f"stat -c '%U %a' {SECRETS}/validator_key.json").split() == ["root", "600"]
        host.succeed(
            f"systemctl cat neard | grep -x LoadCredential=validator_key:{SECRETS}/validator_key.json"
        )

with subtest("only the guard's user can read the credential"):
    credential = "/run/credentials/neard.service/validator_key"
    for host in pool.hosts:
        # What must fail for others works for the guard's user: the commands are there, and so is the file.
        host.succeed(f"runuser -u neard -- grep -q secret_key {credential}")
        host.fail(f"runuser -u hafailover -- cat {credential}")
        host.fail(f"runuser -u hafailover -- cat {SECRETS}/validator_key.json")
        host.fail("runuser -u hafailover -- ls /var/lib/neard")
        host.fail(f"runuser -u nobody -- cat {credential}")

with subtest("a passive host's home has no key, the active's has a link"):
    for host in pool.others(active):
        host.fail("test -e /var/lib/neard/validator_key.json -o -L /var/lib/neard/validator_key.json")
        host.fail(f"grep -rlF {word} /var/lib/neard")
    assert active.succeed("readlink /var/lib/neard/validator_key.json").strip() == credential

with subtest("the key stands nowhere else"):
    for host in pool.hosts:
        # The word in a file: on a command line the search would find itself.
        host.succeed(f"umask 077 && printf %s {word} > /run/word", f"grep -rqFf /run/word {SECRETS}")
        for place in (
            "/etc",
            "/run/hafailover",
            "/run/neard",
            "/var/log",
            "/var/lib/consul",
            "/var/lib/systemd",
        ):
            host.fail(f"test -d {place} && grep -rlFf /run/word {place} 2>/dev/null", timeout=120)
        # Whatever a build made is of 1970; what was written since is looked into.
        new = "find /nix/store -newermt 1980-01-01 -type f"
        host.fail(f"{new} -exec grep -lFf /run/word {{}} + 2>/dev/null | grep .", timeout=300)
        host.fail("journalctl -q --no-pager | grep -Ff /run/word", timeout=120)
        host.fail("systemctl show '*' | grep -Ff /run/word", timeout=120)
        host.fail("grep -laFf /run/word /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null")
        host.succeed("rm /run/word")

with subtest("the units' sandboxes"):
    wanted = {
        "NoNewPrivileges": "yes",
        "ProtectSystem": "strict",
        "ProtectHome": "yes",
        "PrivateTmp": "yes",
        "PrivateDevices": "yes",
        "ProtectKernelTunables": "yes",
        "RestrictSUIDSGID": "yes",
        "CapabilityBoundingSet": "",
        "KillMode": "control-group",
        "Restart": "always",
        "WatchdogSignal": "9",
    }
    for unit, user, memory in (("hafailover", "hafailover", "yes"), ("neard", "neard", "no")):
        shown = dict(
            line.split("=", 1)
            for line in standby.succeed(f"systemctl show {unit}").splitlines()
            if "=" in line
        )
        for name, value in {**wanted, "User": user, "MemoryDenyWriteExecute": memory}.items():
            # What is empty is not shown.
            found = shown.get(name, "")
            assert found == value, f"{unit}: {name} is {found}, not {value}"

with subtest("a secret that others can read is refused with the command that mends it"):
    standby.succeed(
        f"install -m 0644 {SECRETS}/validator_key.json /run/loose.json",
        "install -d /run/loose && cp /var/lib/neard/config.json /run/loose/",
    )
    code, text = standby.execute(
        "hafailover guard --config /etc/hafailover/config.toml --validator-key-file /run/loose.json"
        " --guard-socket /run/loose.sock --neard.home /run/loose 2>&1"
    )
    assert code == 2 and "chmod 600" in text, text
    standby.succeed("rm -r /run/loose /run/loose.json")

with subtest("an encrypted credential serves as well"):
    standby.succeed(
        "systemd-creds encrypt --with-key=host --name=validator_key"
        f" {SECRETS}/validator_key.json /run/key.cred",
        f"! grep -qF -- {word} /run/key.cred",
        "mkdir -p /run/systemd/system/neard.service.d",
        "printf '[Service]\\nLoadCredential=\\nLoadCredentialEncrypted=validator_key:/run/key.cred\\n'"
        " > /run/systemd/system/neard.service.d/encrypted.conf",
        "systemctl daemon-reload",
        "systemctl restart neard.service",
        timeout=60,
    )
    pool.wait_safe()
    active.wait_until_succeeds(f"hafailover switchover --at-once --to {standby.name}", timeout=60)
    assert pool.active(30) is standby

pool.check()
