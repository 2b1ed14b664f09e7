"""A real browser against a real web tier, with and without a real worker behind it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from app.account.provision import provision
from app.local import EmbeddedCloud
from app.local.process import stop
from app.settings import Settings
from tests.conftest import models
from tests.support.web import ROOT, Site

ARGUMENTS = [
    "--no-sandbox",  # containers have no user namespaces for it; the pages are our own
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str:
    """Return where chromium is; where there is none, skip the test, or fail it where everything has to run."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        missing = "chromium is missing: apt-get install chromium"
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)
    return found


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """What drives browsers."""
    expect.set_options(timeout=60_000)  # a worker may have to start first, on a machine that is busy
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """One chromium for the whole run."""
    browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
    yield browser
    browser.close()


class Visitor:
    """Somebody with a browser of their own; whatever goes wrong in it fails the test."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.page.set_default_timeout(30_000)
        self.trouble: list[str] = []
        self.page.on("dialog", lambda dialog: (self.trouble.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page.on("pageerror", lambda error: self.trouble.append(f"script error: {error}"))
        self.page.on("console", self._heard)

    def _heard(self, message: object) -> None:
        text = str(getattr(message, "text", ""))
        # What the network does is told to the page, and is its business.
        if getattr(message, "type", "") == "error" and "Failed to load resource" not in text:
            self.trouble.append(text)


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open an address as somebody new: ``visit(url, color_scheme="dark")``."""
    with visitors(browser) as open_:
        yield open_


@contextmanager
def visitors(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open addresses in ``browser``, each as somebody new, all of whom nothing may have gone wrong for in the end."""
    with ExitStack() as stack:
        visitors: list[Visitor] = []

        def open_(url: str, **options: object) -> Page:
            context = browser.new_context(viewport={"width": 1280, "height": 800}, **options)  # type: ignore[arg-type]
            stack.callback(context.close)
            visitors.append(Visitor(context))
            visitors[-1].page.goto(url)
            return visitors[-1].page

        yield open_
        assert [trouble for visitor in visitors for trouble in visitor.trouble] == []


@contextmanager
def working(site: Site) -> Iterator[None]:
    """Run a worker for ``site``."""
    log = site.log.with_name("worker.log")
    with log.open("ab") as output:
        worker = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "worker"],
            env={**site.environment, "ELASTIQ_IDLE_SECONDS": "0", "ELASTIQ_CONCURRENCY": "2"},
            cwd=ROOT,
            stdout=output,
            stderr=output,
        )
    try:
        yield
    finally:
        stop(worker, 20)


@pytest.fixture
def serve(cloud: EmbeddedCloud, tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Start a web tier on buckets and a queue of this test's own; no worker takes its images."""
    with ExitStack() as stack:

        def start(**settings: str) -> Site:
            site = Site({**_environment(cloud, tmp_path), **settings}, tmp_path / "web.log")
            stack.callback(site.stop)
            return site.start()

        yield start


@pytest.fixture(scope="session")
def stack(cloud: EmbeddedCloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A web tier with a worker behind it."""
    folder = tmp_path_factory.mktemp("stack")
    site = Site(_environment(cloud, folder), folder / "web.log").start()
    with working(site):
        yield site
    site.stop()


def _environment(cloud: EmbeddedCloud, folder: Path) -> dict[str, str]:
    name = uuid.uuid4().hex[:8]
    environment = {
        **os.environ,
        **cloud.environment,
        "ELASTIQ_INPUT_BUCKET": f"in-{name}",
        "ELASTIQ_OUTPUT_BUCKET": f"out-{name}",
        "ELASTIQ_QUEUE": f"tasks-{name}",
        "ELASTIQ_DATA_DIR": str(folder / "data"),
        "ELASTIQ_MODEL_DIR": str(models()),
    }
    provision(Settings.from_environment(environment))
    return environment
