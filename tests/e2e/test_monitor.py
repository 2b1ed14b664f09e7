"""The monitor, as people look at it, in a real browser, on what real events say."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from app.announcements import Swept, WorkerHeartbeat, WorkerLeaving
from app.brakes import Brake
from app.domain import Instance, InstanceState, QueueDepth
from tests.support.fleet import Announcer, announcer, decision, wait_for_listener
from tests.support.waiting import wait_for
from tests.support.web import Site
from web.fleet.feed import SAMPLE_S

pytestmark = pytest.mark.browser

Visit = Callable[..., Page]
Serve = Callable[..., Site]


@pytest.fixture
def site(serve: Serve) -> Site:
    site = serve()
    wait_for_listener(site.config)
    return site


@pytest.fixture
def announce(site: Site) -> Iterator[Announcer]:
    with announcer(site.config) as announcer_:
        yield announcer_


def test_the_start_page_leads_to_the_monitor_and_back(site: Site, visit: Visit) -> None:
    page = visit(site.url)
    page.get_by_role("link", name="Monitor").click()
    expect(page).to_have_url(f"{site.url}/monitor")
    expect(page.locator("#pulse")).to_have_text("No autoscaler heard yet")
    expect(page.locator("#outstanding strong")).to_have_text("0")
    page.get_by_role("link", name="Classify images").click()
    expect(page.get_by_role("heading", name="Drop a pile of photographs")).to_be_visible()


def test_what_the_autoscaler_sees_and_decides_appears_as_it_is_said(
    site: Site, announce: Announcer, visit: Visit
) -> None:
    page = visit(f"{site.url}/monitor")
    page.evaluate("window.mark = 1")
    announce.say(WorkerHeartbeat(active=3, processed=1234), "i-0aaa@ip-10-0-0-7")
    announce.say(decision())
    expect(page.locator("#pulse")).to_have_text("Decided by host-1:77")
    expect(page.locator("#running")).to_have_text("1 of 192 wanted · 1 starting · 1 leaving")
    expect(page.locator("#arriving")).to_contain_text("3.3 a second")
    expect(page.locator('.host[data-state="running"]')).to_contain_text("i-0aaa3 in hand · 1,234 donefor 5 min")
    expect(page.locator('.host[data-state="pending"]')).to_contain_text("i-0cccnot ready yet")
    expect(page.locator("#decisions li")).to_have_count(1)
    announce.say(decision(desired=5, launch=3, reason="3 more are needed"))
    expect(page.locator("#decisions li").first).to_contain_text(re.compile(r"5\+3\s*3 more are needed"))
    announce.say(WorkerLeaving("idle"), "i-0aaa@ip-10-0-0-7")
    expect(page.locator('.host[data-state="running"]')).to_contain_text("leaves: had no work")
    expect(page.locator("#departures")).to_contain_text("i-0aaa had no work")
    announce.say(Swept(listeners=1, republished=40, given_up=2))
    expect(page.locator("#swept")).to_contain_text("40 lost images published again, 2 images given up, 1 queue")
    expect(page.locator("#trouble")).to_be_hidden()
    announce.say(decision(breaker_open=True, spot_resting=True))
    expect(page.locator("#trouble")).to_have_text(f"{Brake.BREAKER.says} {Brake.SPOT.says}")
    announce.say(decision())
    expect(page.locator("#trouble")).to_be_hidden()
    assert page.evaluate("window.mark") == 1


def test_the_pictures_show_what_was_heard_and_tell_it_in_words_too(
    site: Site, announce: Announcer, visit: Visit
) -> None:
    announce.say(decision())
    page = visit(f"{site.url}/monitor")
    backlog = page.get_by_role("img", name="Images outstanding, now: in flight 2, visible 9, delayed 1")
    expect(backlog).to_be_visible()
    expect(backlog.locator("path")).to_have_count(3)
    expect(page.get_by_role("img", name="Instances, now: running 1, draining 1, pending 1, wanted 2")).to_be_visible()
    expect(page.locator("#rates .legend")).to_have_text("arriving 3.3finished unknown")
    (first,) = site.fleet()["history"]
    wait_for(lambda: site.fleet()["now"] // SAMPLE_S > first["at"] // SAMPLE_S, what="the next point of the picture")
    announce.say(decision(depth=QueueDepth(visible=70, in_flight=8)))
    expect(page.locator("#backlog svg")).to_have_attribute("aria-label", re.compile("visible 70"))
    assert len(site.fleet()["history"]) == 2
    box = page.locator("#backlog svg").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 40)
    expect(page.locator("#backlog .legend")).to_contain_text("visible unknown")
    expect(page.locator("#fleet .cross")).to_have_count(1)


def test_hostile_names_and_reasons_are_only_text(site: Site, announce: Announcer, visit: Visit) -> None:
    hostile = '<img src=x onerror="alert(1)"><script>alert(2)</script>'
    page = visit(f"{site.url}/monitor")
    host = Instance(hostile, InstanceState.RUNNING, datetime.now(UTC))
    announce.say(decision(reason=hostile, leader=hostile, fleet=(host,)))
    announce.say(WorkerLeaving(hostile), f"{hostile}@x")
    expect(page.locator(".host b")).to_have_text(hostile)
    expect(page.locator("#decisions li p")).to_have_text(hostile)
    expect(page.locator("#departures")).to_contain_text(hostile)
    assert page.locator("main img, main script").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_telephone_and_keeps_its_words_readable(
    site: Site, announce: Announcer, visit: Visit, scheme: str
) -> None:
    page = visit(f"{site.url}/monitor", color_scheme=scheme)
    page.set_viewport_size({"width": 360, "height": 740})
    long = Instance("i-" + "0123456789abcdef" * 3, InstanceState.RUNNING, datetime.now(UTC))
    announce.say(decision(fleet=(long,) * 19, reason="word" * 60, launch=1, drain=("i-1",), held=True))
    expect(page.locator(".host")).to_have_count(19)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate(CONTRAST) >= 4.5


def test_with_no_stream_to_be_had_the_monitor_polls(serve: Serve, visit: Visit) -> None:
    site = serve(ELASTIQ_WEB_THREADS="8")
    wait_for_listener(site.config)
    waiting = [visit(f"{site.url}/monitor") for _ in range(4)]
    for page in waiting:
        expect(page.locator("#pulse")).to_have_text("No autoscaler heard yet")
    late = visit(f"{site.url}/monitor")
    with announcer(site.config) as announce:
        announce.say(decision())
    expect(late.locator("#pulse")).to_have_text("Decided by host-1:77")
    expect(late.locator(".host")).to_have_count(3)


# The least contrast of any text on the page against what is painted behind it (WCAG 2.2, contrast ratio).
CONTRAST = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (color) => {
    const [r, g, b] = color.map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (color.startsWith("rgb(")) return parse(color);
    }
    return [255, 255, 255];
  };
  let least = 21;
  for (const node of document.querySelectorAll("main *")) {
    const words = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!words || node.closest(".unseen, [hidden]")) continue;
    const style = getComputedStyle(node);
    const [a, b] = [light(parse(node.closest("svg") ? style.fill : style.color)), light(behind(node))];
    least = Math.min(least, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
  }
  return least;
}"""
