"""systemd's own judgement of the units: lower is better."""

import re

start_all()
host1.wait_for_unit("multi-user.target", timeout=120)

for unit, limit in (("hafailover.service", 1.5), ("neard.service", 3.0)):
    with subtest(f"{unit} is rated {limit} or better"):
        text = host1.execute(f"systemd-analyze security --no-pager {unit}")[1]
        found = re.search(rf"level for {unit}: ([0-9.]+)", text)
        assert found is not None, text
        print(f"measured: security/{unit}: {found[1]}")
        assert float(found[1]) <= limit, text
