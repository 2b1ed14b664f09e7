"""Somebody with the page in a real browser, who uploads a few photographs now and then and waits for their labels."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import suppress

from playwright.sync_api import Error, FilePayload, Page, expect, sync_playwright

from tests.campaign.ledger import Ledger
from tests.campaign.pictures import Picture
from tests.e2e.conftest import ARGUMENTS, chromium

# How long somebody looks at a page that does not go on before they load it again, and how often they do.
PATIENCE_S, RELOADS = 60, 5
PAUSE_S = (10.0, 40.0)


class Visitor:
    """One person; what the page said is written into the ledger.

    Args:
        ledger: where it is written.
        files: the photographs to choose from.
        url: says where to go next.
        count: is told how many images are sent.
    """

    def __init__(
        self, ledger: Ledger, files: list[Picture], url: Callable[[], str], count: Callable[[int], None]
    ) -> None:
        self._ledger, self._files, self._url, self._count = ledger, files, url, count

    def run(self, chance: random.Random, ended: threading.Event) -> None:
        """Upload, look, and pause, until ``ended``."""
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
            while not ended.wait(chance.uniform(*PAUSE_S)):
                page = browser.new_page()
                self._visit(page, chance.sample(self._files, chance.choice((1, 3))))
                page.close()
            browser.close()

    def _visit(self, page: Page, files: list[Picture]) -> None:
        try:
            page.goto(self._url())
            self._count(len(files))
            page.set_input_files(
                "#files", [FilePayload(name=file.name, mimeType="image/jpeg", buffer=file.content) for file in files]
            )
            self._await(page, len(files))
            batch = page.url.rsplit("/", 1)[-1]
            told = {tile.locator(".name").inner_text(): tile.locator(".label").inner_text()
                    for tile in page.locator(".tile").all()}  # fmt: skip
        except (Error, AssertionError) as err:
            for file in files:
                self._ledger.write("unanswered", "page", "", file.name, str(err)[:200])
            return
        for file in files:
            self._ledger.write("accepted", "page", f"{batch}/{file.name}", file.name)
            self._ledger.write("told", "page", f"{batch}/{file.name}", file.name, told.get(file.name, "nothing"))

    def _await(self, page: Page, count: int) -> None:
        """Wait until all are done, as somebody who loads the page again when it does not go on."""
        done = page.locator('[data-show="done"] b')
        for _ in range(RELOADS):
            try:
                expect(done).to_have_text(str(count), timeout=PATIENCE_S * 1000)
                return
            except AssertionError:
                if "/batches/" in page.url:
                    with suppress(Error):  # nobody answers: it is loaded again in a while
                        page.reload()
        expect(done).to_have_text(str(count), timeout=PATIENCE_S * 1000)
