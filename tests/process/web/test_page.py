"""The status page in a real browser, of a real pool that loses its active."""

from __future__ import annotations

from importlib import resources

import pytest

from hafailover.lab.pool import LabPool

from .page import Page

pytestmark = [pytest.mark.consul, pytest.mark.timeout(180)]

NARROW, WIDE = 360, 1280
AXE = (resources.files("axe_core_python") / "axe.min.js").read_text()
SEEN = """
const done = arguments[arguments.length - 1];
axe.run(document).then((found) => done({
  checked: found.passes.length,
  wrong: found.violations.map((rule) => `${rule.id}: ${rule.nodes.map((node) => node.html).join(" ")}`),
}), (error) => done({ checked: 0, wrong: [String(error)] }));
"""


def test_one_glance_tells_who_signs_and_who_could(pool: LabPool, page: Page) -> None:
    active = pool.wait_settled()
    for host in pool.hosts:
        page.open(host)
        page.becomes(lambda: page.text("level") == "Safe", "the verdict")
        assert f"{active} signs" in page.text("text")
        assert page.do("return document.title").startswith("✓ Safe")
        assert page.text("node") == host.name
        expected = {one.name: "active" if one.name == active else "standby" for one in pool.hosts}
        assert page.roles() == expected
        page.becomes(lambda: f"{active} signs, and" in page.text("production"), "what it produces")
        page.becomes(lambda: page.table("changes"), "the history")
        assert page.table("changes")[0][1].endswith(f"{active}, the first")
        assert page.do("return document.querySelectorAll('#timeline rect.term').length") == 1
        assert page.complaints() == []
        assert page.asked_hosts() == {f"127.0.0.1:{host.metrics_port}"}


def test_heights_go_on_without_a_reload(pool: LabPool, page: Page) -> None:
    page.open(pool.hosts[0])

    def heights() -> list[int]:
        return [int(row[3].replace("\u202f", "")) for row in page.table("hosts")]

    before = heights()
    page.becomes(lambda: all(now > then for now, then in zip(heights(), before, strict=True)), "new heights")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_it_can_be_read_by_everybody(pool: LabPool, page: Page, width: int, scheme: str) -> None:
    page.open(pool.hosts[0], width, scheme)
    page.becomes(lambda: page.table("changes"), "the history")
    assert page.do("return document.documentElement.scrollWidth") <= width
    page.do(AXE)
    seen = page.do_later(SEEN)
    assert seen["wrong"] == []
    assert seen["checked"] > 20, "so many rules have found something to look at"
    shade = page.do("return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (sum(shade) < 3 * 128) == (scheme == "dark")


def test_it_has_landmarks_headings_and_tables_with_heads(pool: LabPool, page: Page) -> None:
    page.open(pool.hosts[0])
    page.becomes(lambda: page.table("changes"), "the history")
    for landmark in ("header", "main", "footer", "nav[aria-label]", "h1"):
        assert page.do(f"return document.querySelectorAll({landmark!r}).length") == 1, landmark
    nameless = "section:not([aria-label], [aria-labelledby]), table:not([aria-label], [aria-labelledby])"
    assert page.do(f"return document.querySelectorAll({nameless!r}).length") == 0
    assert page.do("return document.querySelectorAll('thead th:not([scope=col])').length") == 0
    assert page.do("return document.querySelectorAll('tbody th[scope=row]').length") > 0
    live = page.do("return document.getElementById('text').closest('[aria-live=polite]') !== null")
    assert live, "the verdict is read out when it changes"
    assert page.do("return document.querySelector('#timeline svg[role=img]').ariaLabel")


def test_names_of_any_length_fit_a_phone(pool: LabPool, page: Page) -> None:
    page.open(pool.hosts[0], NARROW)
    page.becomes(lambda: page.table("changes"), "the history")
    page.do(
        "for (const cell of document.querySelectorAll('tbody th, tbody td, dd, h1, #text'))"
        " cell.textContent = 'x'.repeat(64)"
    )
    assert page.do("return document.documentElement.scrollWidth") <= NARROW


def test_a_host_that_dies_shows_without_a_reload(pool: LabPool, page: Page) -> None:
    active = pool.wait_settled()
    seer = next(host for host in pool.hosts if host.name != active)
    page.open(seer)
    page.do("window.neverReloaded = true")
    pool.host(active).kill_host()

    page.becomes(lambda: page.roles().get(active) == "gone", "the host that is gone")
    page.becomes(lambda: "active" in page.roles().values(), "its successor")
    page.becomes(lambda: page.text("level") == "Safe", "a verdict with one host dead")
    page.becomes(lambda: len(page.table("changes")) == 2, "the change on record")
    assert page.table("changes")[0][1].startswith(f"{active} → ")
    assert page.do("return document.querySelectorAll('#timeline rect.term').length") == 2
    assert page.do("return document.querySelector('#timeline rect.gap title').textContent")
    assert page.do("return window.neverReloaded") is True
    assert page.complaints() == []

    pool.host(active).start()
    pool.wait_settled()
    page.becomes(lambda: page.roles()[active] == "standby", "the host that is back")


def test_an_agent_that_ends_is_no_longer_believed(pool: LabPool, page: Page) -> None:
    active = pool.wait_settled()
    host = next(host for host in pool.hosts if host.name != active)
    page.open(host)
    page.becomes(lambda: page.text("level") == "Safe", "the verdict")
    host.running_agent().kill()
    page.becomes(lambda: page.text("level") == "Unknown", "the doubt")
    assert page.text("text") == f"The agent of {host.name} does not answer; ask another host"
    assert "of that time" in page.text("fresh")
    host.start_agent()
    page.becomes(lambda: page.text("level") == "Safe", "the verdict of the agent that is back")
    pool.wait_settled()
