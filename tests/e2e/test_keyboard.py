"""The page by the keyboard alone, and as it is read out."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.support import photographs
from tests.support.web import Site

pytestmark = pytest.mark.browser

CAT = photographs.chelsea()

Visit = Callable[..., Page]
Serve = Callable[..., Site]

FOCUSED = """() => {
  const at = document.activeElement;
  const { outlineStyle, outlineWidth } = getComputedStyle(at);
  const seen = outlineStyle !== "none" && parseFloat(outlineWidth) >= 2 && at.getBoundingClientRect().top >= 0;
  return [at.ariaLabel ?? at.labels?.[0]?.querySelector("span").innerText ?? at.innerText.trim(), seen];
}"""


def batch(site: Site) -> str:
    id = str(site.upload(*[(f"{n}.png", CAT) for n in range(4)])["id"])
    for n, label in enumerate(("tabby", "tabby", "lynx")):
        site.classify(f"{id}/{n}.png", label)
    return id


def test_tab_goes_through_the_page_in_its_order_and_the_focus_is_seen_everywhere(serve: Serve, visit: Visit) -> None:
    site = serve()
    page = visit(f"{site.url}/batches/{batch(site)}")
    expect(page.get_by_role("button", name="tabby 2")).to_be_visible()
    found = []
    for _ in range(20):
        page.keyboard.press("Tab")
        found.append(page.evaluate(FOCUSED))
    assert all(seen for _, seen in found), found
    assert [" ".join(name.split()) for name, _ in found] == [
        "Skip to the images", "Elastiq, start page", "Monitor", "Copy link", "CSV", "JSON", "JSON lines", "Add",
        "Cancel", "All 4", "Waiting 1", "Done 3", "Failed 0", "Find a label or a name", "Arrange", "Sure",
        "tabby 2", "lynx 1", "Histograms", "0.png: tabby, 75%",
    ]  # fmt: skip


def test_what_has_the_keyboard_keeps_it_while_the_page_is_drawn_again(serve: Serve, visit: Visit) -> None:
    site = serve()
    id = batch(site)
    page = visit(f"{site.url}/batches/{id}")
    chip = page.get_by_role("button", name="lynx 1")
    chip.focus()
    site.classify(f"{id}/3.png", "lynx")
    expect(page.get_by_role("button", name="lynx 2")).to_be_focused()
    tile = page.get_by_role("button", name="0.png: tabby, 75%")
    tile.focus()
    page.evaluate("arrange.value = 'label'; arrange.dispatchEvent(new Event('change'))")
    expect(page.locator(".tile").first).to_contain_text("lynx")
    expect(tile).to_be_focused()
    page.evaluate("search.value = 'lynx'; search.dispatchEvent(new Event('input'))")
    expect(page.locator(".tile")).to_have_count(2)
    expect(page.locator(".tile button").first).to_be_focused()


def test_a_dialog_closes_by_escape_and_gives_the_keyboard_back_to_the_tile_that_it_showed(
    serve: Serve, visit: Visit
) -> None:
    site = serve()
    page = visit(f"{site.url}/batches/{batch(site)}")
    page.get_by_role("button", name="1.png: tabby, 75%").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert page.evaluate("detail.contains(document.activeElement)")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("button", name="1.png: tabby, 75%")).to_be_focused()


def test_progress_is_read_out_now_and_then_and_the_end_of_it_at_once(serve: Serve, visit: Visit) -> None:
    site = serve()
    id = str(site.upload(*[(f"{n}.png", CAT) for n in range(12)])["id"])
    page = visit(f"{site.url}/batches/{id}")
    expect(page.locator("#announcer")).to_have_text("0 of 12 classified")
    page.evaluate(
        "window.said = []; new MutationObserver(() => said.push(announcer.textContent))"
        ".observe(announcer, {childList: true})"
    )
    for n in range(12):
        site.classify(f"{id}/{n}.png")
    expect(page.locator("#announcer")).to_have_text("12 of 12 classified")
    said = page.evaluate("said")
    assert said[-1] == "12 of 12 classified"
    assert len(said) <= 6, "not each image by itself"


def test_who_wants_nothing_to_move_sees_nothing_move(serve: Serve, visit: Visit) -> None:
    site = serve()
    page = visit(f"{site.url}/batches/{batch(site)}", reduced_motion="reduce")
    expect(page.locator(".tile[data-state=waiting]")).to_have_count(1)
    assert page.evaluate("document.getAnimations().length") == 0
    page.emulate_media(reduced_motion="no-preference")
    assert page.evaluate("document.getAnimations().length") > 0
