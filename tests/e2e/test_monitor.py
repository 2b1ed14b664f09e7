"""The monitor, as people look at it, in a real browser, on what real events say."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from app.announcements import ImageClassified, ImageFailed, Swept, WorkerHeartbeat, WorkerLeaving
from app.brakes import Brake
from app.domain import Classification, Failure, FleetCost, Instance, InstanceState, Life, Prediction, QueueDepth
from app.hour.hour import SAMPLE_S
from tests.support import photographs
from tests.support.fleet import Announcer, announcer, decision, wait_for_listener
from tests.support.waiting import wait_for
from tests.support.web import Site

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
    expect(page.locator("#pulse")).to_have_text("The autoscaler is at work")
    expect(page.locator("#running")).to_have_text("1 of 192 wanted · 1 starting · 1 leaving")
    expect(page.locator("#arriving")).to_contain_text("3.3 a second")
    expect(page.locator("#pulse")).to_have_attribute("title", "decided by host-1:77")
    machines = page.get_by_role("table", name="What each machine did")
    first = machines.get_by_role("row").filter(has=page.get_by_role("rowheader", name="machine 1"))
    expect(first).to_contain_text(re.compile(r"working for \d+ s, 3 in hand1,234"))
    expect(first.get_by_role("rowheader")).to_have_attribute("title", "i-0aaa")
    expect(first.get_by_role("img", name=re.compile(r"starting \d min, working|working \d"))).to_be_visible()
    expect(machines).to_contain_text(re.compile("machine 3asked for for 1[0-9] s"))
    expect(page.locator("#decisions li")).to_have_count(1)
    announce.say(decision(desired=5, launch=3, reason="3 more are needed; i-0aaa is slow", drain=("i-0bbb",)))
    expect(page.locator("#decisions li").first).to_contain_text(
        re.compile(r"5\+3\s*\u22121\s*machine 2\s*3 more are needed; machine 1 is slow")
    )
    announce.say(WorkerLeaving("idle"), "i-0aaa@ip-10-0-0-7")
    expect(first).to_contain_text("leaving: had no work")
    announce.say(Swept(listeners=1, republished=40, given_up=2))
    expect(page.locator("#swept")).to_contain_text("40 lost images published again, 2 images given up, 1 queue")
    expect(page.locator("#trouble")).to_be_hidden()
    announce.say(decision(breaker_open=True, over_budget=True, spent_h=10.25, budget_h=10))
    expect(page.locator("#trouble")).to_have_text(f"{Brake.BREAKER.says} {Brake.BUDGET.says}")
    cost = FleetCost(0.5, 1.25, 0.75, "c7i.large", each=(("i-0bbb", 0.125),))
    announce.say(decision(fleet=decision().fleet[1:], cost=cost, spent_h=10.25, budget_h=10))
    expect(first).to_contain_text(re.compile(r"gone at \d\d:\d\d:\d\d: had no work"))
    expect(machines.get_by_role("row").nth(1)).to_contain_text(re.compile(r"machine 2leaving.*\$0\.13"))
    expect(page.locator("#spending")).to_contain_text("10.3 of 10 instance-hours a day used")
    expect(page.locator("#trouble")).to_be_hidden()
    assert page.evaluate("window.mark") == 1


def test_waits_are_shown_against_the_target_and_failures_by_reason_with_their_images(
    site: Site, announce: Announcer, visit: Visit
) -> None:
    hostile = '<img src=x onerror="alert(1)">'
    id = str(site.upload(("a cat.png", photographs.chelsea()))["id"])
    page = visit(f"{site.url}/monitor")
    now = time.time()
    for wait_s in (2, 2, 90):
        life = Life("i-0aaa", "tasks.classify", 1, now, queued_at=now - wait_s)
        announce.say(
            ImageClassified(Classification.of(f"{id}/x.jpg", [Prediction("tabby", 0.9)], "m"), life), "i-0aaa@x"
        )
    for key in (f"{id}/a cat.png", "of nobody's/batch.png"):
        announce.say(ImageFailed(Failure.of(key, f"it has 7 x 8 pixels {hostile}")), "i-0aaa@x")
    announce.say(ImageFailed(Failure.of(f"{id}/2.png", "the file is cut short")), "i-0aaa@x")
    announce.say(decision())
    expect(page.locator("#waiting")).to_have_text(re.compile(r"^2(\.\d)? s99 of 100 within (8|9)\d s · target 60 s"))
    expect(page.locator("#waiting")).to_contain_text("33.3 % of the last hour's late")
    expect(page.locator("#waits svg")).to_have_attribute("aria-label", re.compile(r"half within 2.*target 60 s"))
    expect(page.locator("#failed")).to_have_text("3 images in the last hour, by reason")
    expect(page.locator("#failures li")).to_have_count(2)
    expect(page.locator("#failures li").first).to_contain_text(f"2it has 7 x 8 pixels {hostile}")
    assert page.locator("main img").count() == 0
    page.get_by_role("link", name="a cat.png").click()
    expect(page.locator(".tile")).to_have_count(1)
    # The address named it behind its #, until it was open.
    expect(page.get_by_role("dialog")).to_contain_text("a cat.png")
    expect(page).to_have_url(f"{site.url}/batches/{id}")


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
    expect(page.locator("#backlog")).to_contain_text("15 min")
    page.get_by_label("1 hour").check()
    expect(page.locator("#backlog")).to_contain_text("60 min")
    expect(page.get_by_role("columnheader", name="The last hour")).to_be_visible()
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
    expect(page.get_by_role("rowheader", name="machine 1")).to_have_attribute("title", hostile)
    expect(page.locator("#decisions li p")).to_have_text("machine 1")
    expect(page.locator("#instances")).to_contain_text(f"leaving: {hostile}")
    assert page.locator("main img, main script").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_telephone_and_keeps_its_words_readable(
    site: Site, announce: Announcer, visit: Visit, scheme: str
) -> None:
    page = visit(f"{site.url}/monitor", color_scheme=scheme)
    page.set_viewport_size({"width": 360, "height": 740})
    fleet = tuple(Instance("i-" + f"{n:x}" * 50, InstanceState.RUNNING, datetime.now(UTC)) for n in range(19))
    announce.say(decision(fleet=fleet, reason="word" * 60, launch=1, drain=("i-1",), held=True))
    expect(page.locator("#instances tbody tr")).to_have_count(19)
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
    expect(late.locator("#pulse")).to_have_text("The autoscaler is at work")
    expect(late.locator("#instances tbody tr")).to_have_count(3)


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
