"""Both pages in each of their states, for whoever reads them: light and dark, on a narrow screen, in large letters."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, FilePayload, Page, Playwright, Route, expect

from app.announcements import ImageFailed, Swept, WorkerHeartbeat, WorkerLeaving, WorkerOffline
from app.domain import Failure, Instance, InstanceState
from tests.e2e.conftest import ARGUMENTS, chromium, visitors
from tests.support import axe, photographs
from tests.support.fleet import announcer, decision, wait_for_listener
from tests.support.web import Site

pytestmark = pytest.mark.browser

CAT, COFFEE = photographs.chelsea(), photographs.coffee()
SIZES = [(1280, 800), (320, 640)]
LONG = "a photograph with a long name, as cameras and people make them, taken on a holiday.jpg"

Visit = Callable[..., Page]
Serve = Callable[..., Site]


@pytest.fixture(scope="module", params=[16, 32], ids=["text-100", "text-200"])
def reader(request: pytest.FixtureRequest, playwright: Playwright) -> Iterator[Browser]:
    """A browser whose letters are as large as its owner has set them."""
    browser = playwright.chromium.launch(
        executable_path=chromium(), args=[*ARGUMENTS, f"--blink-settings=defaultFontSize={request.param}"]
    )
    yield browser
    browser.close()


@pytest.fixture
def visit(reader: Browser) -> Iterator[Visit]:
    """Open an address as somebody new, who wants nothing to move: what moves is judged where it ends."""
    with visitors(reader) as open_:
        yield lambda url: open_(url, reduced_motion="reduce")


def judge(page: Page) -> None:
    """Hold the page as it stands to be right, in each scheme and size."""
    found = []
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            found += [f"{width} px, {scheme}: {fault}" for fault in axe.faults(page)]
    page.set_viewport_size({"width": 1280, "height": 800})
    assert found == [], "\n".join(found)


def file(name: str, data: bytes) -> FilePayload:
    return {"name": name, "mimeType": "", "buffer": data}


def mixed(site: Site) -> str:
    """Make a batch with results, failures and images that wait; return its id."""
    names = [f"{n}.png" for n in range(8)] + [LONG]
    id = str(site.upload(*[(name, CAT) for name in names], ("text.jpg", b"no photograph"), (f"x{LONG}", b"none"))["id"])
    for name, label in zip(names, ["tabby", "tabby", "tabby", "lynx", "lynx", "Egyptian cat"], strict=False):
        site.classify(f"{id}/{name}", label)
    site.classify(f"{id}/{LONG}", "black-and-tan coonhound")
    return id


def test_the_start_page_with_and_without_recent_batches(serve: Serve, visit: Visit) -> None:
    site = serve()
    page = visit(site.url)
    judge(page)
    page.goto(f"{site.url}/batches/{mixed(site)}")
    expect(page.locator("#tally")).to_have_text("9")
    page.goto(site.url)
    page.set_input_files("#files", [file("a.png", CAT)])
    expect(page.locator(".tile[data-state=waiting]")).to_have_count(1)
    page.goto(site.url)
    expect(page.locator(".recent a").first).to_be_visible()
    judge(page)
    page.dispatch_event("main", "dragenter", {"dataTransfer": page.evaluate_handle("new DataTransfer()")})
    judge(page)


def test_an_upload_under_way_and_one_that_failed(serve: Serve, visit: Visit) -> None:
    site = serve()
    page = visit(site.url)
    waiting: list[Route] = []
    page.route("**/images", lambda route: waiting.append(route))
    page.set_input_files("#files", [file(f"{n}.png", CAT) for n in range(12)])
    expect(page.locator(".tile[data-state=uploading]").first).to_be_visible()
    expect(page.get_by_role("button", name="Pause upload")).to_be_visible()
    page.evaluate("unsent.hidden = false; unsent.firstElementChild.textContent = '36 files were not uploaded.'")
    judge(page)
    for route in waiting:
        route.abort()
    page = visit(site.url)
    page.route("**/images", lambda route: route.fulfill(status=400, body='{"detail": "there is no room for it here"}'))
    page.set_input_files("#files", [file("a.png", CAT), file(LONG, CAT)])
    expect(page.locator("#trouble")).to_be_visible()
    page.locator("#share").click()
    expect(page.locator("#toast")).not_to_be_empty()
    judge(page)


def test_a_batch_its_filters_and_its_details(serve: Serve, visit: Visit) -> None:
    site = serve()
    page = visit(f"{site.url}/batches/{mixed(site)}")
    expect(page.locator("#labels")).to_be_visible()
    page.get_by_text("Histograms").click()
    expect(page.locator("#histograms li").first).to_be_visible()
    judge(page)
    page.get_by_text("Histograms").click()
    page.evaluate("sure.showModal()")
    judge(page)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="tabby 3").click()
    judge(page)
    page.get_by_role("button", name="tabby 3").click()
    page.get_by_role("button", name="Failed 2", exact=True).click()
    expect(page.locator(".tile")).to_have_count(2)
    judge(page)
    page.locator(".tile button").first.click()
    judge(page)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="All 11", exact=True).click()
    for state in ("done", "waiting"):
        page.locator(f".tile[data-state={state}] button").last.click()
        judge(page)
        page.keyboard.press("Escape")
    page.locator("#search").fill("there is none of this")
    expect(page.locator("#nothing")).to_be_visible()
    judge(page)


def test_a_batch_that_is_not_there_and_a_server_that_is_not(serve: Serve, visit: Visit) -> None:
    site = serve()
    page = visit(f"{site.url}/batches/20200101T000000000Z-00000000")
    expect(page.locator("#missing")).to_be_visible()
    judge(page)
    page.goto(f"{site.url}/batches/{mixed(site)}")
    expect(page.locator("#tally")).to_have_text("9")
    os.killpg(site.process.pid, signal.SIGKILL)
    expect(page.locator("#pace")).to_contain_text("No connection")
    judge(page)


def test_the_monitor_of_a_fleet_from_nothing_heard_to_its_end(serve: Serve, visit: Visit) -> None:
    site = serve()
    wait_for_listener(site.config)
    page = visit(f"{site.url}/monitor")
    expect(page.locator("#pulse")).to_have_text("No autoscaler heard yet")
    judge(page)
    with announcer(site.config) as announce:
        announce.say(WorkerHeartbeat(active=3, processed=123_456), "i-0aaa@ip-10-0-0-7")
        announce.say(WorkerHeartbeat(active=3, processed=1), "stranger@elsewhere")
        long = Instance("i-" + "0123456789abcdef" * 3, InstanceState.RUNNING, datetime.now(UTC))
        announce.say(decision(fleet=(*decision().fleet, long), launch=3, reason="word" * 60, desired=19))
        for n in range(30):
            announce.say(decision(desired=n, held=n % 3 == 0, drain=("i-1",) * (n % 4)))
        announce.say(decision(desired=19))
        expect(page.locator("#decisions li").nth(20)).to_be_visible()
        announce.say(ImageFailed(Failure.of("20261128T101112123Z-0a1b2c3d/a cat.png", "word " * 40)), "i-0aaa@x")
        announce.say(ImageFailed(Failure.of(f"mine/{LONG}", "cut short")), "i-0aaa@x")
        announce.say(decision(desired=19))
        expect(page.locator("#instances tbody tr")).to_have_count(5)
        expect(page.locator("#failures li")).to_have_count(2)
        page.get_by_label("1 hour").check()
        judge(page)
        announce.say(WorkerLeaving("idle"), "i-0aaa@ip-10-0-0-7")
        announce.say(Swept(listeners=1, republished=40, given_up=2))
        for node in ("i-0aaa@ip-10-0-0-7", "stranger@elsewhere"):
            announce.say(WorkerOffline(active=0, processed=1), node)
        announce.say(decision(desired=0, fleet=()))
        expect(page.locator("#instances")).to_contain_text("had no work")
        expect(page.locator("#instances")).to_contain_text("nothing to do")
        judge(page)
    os.killpg(site.process.pid, signal.SIGKILL)
    expect(page.locator("#pulse")).to_contain_text("No connection")
    judge(page)
