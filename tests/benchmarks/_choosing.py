"""Handing a folder to the page as people do, and a trace of what the browser does before the page hears of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

CATEGORIES = ["toplevel", "mojom", "devtools.timeline"]
# What chromium asks its own process for each file of a chooser, and waits for, before a page hears of any.
ASKED = "MimeRegistry::GetMimeTypeFromExtension"


def choose(page: Page, folder: Path) -> None:
    """Choose a folder by the page's button."""
    page.set_input_files("#folder", folder)


def drop(page: Page, folder: Path) -> None:
    """Drop a folder on the page, as the system's file manager does."""
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(folder)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 300, "data": data})


@contextmanager
def traced(page: Page, found: dict[str, Any]) -> Iterator[None]:
    """Trace the browser while a block runs; put into ``found`` what its file chooser's longest answer was made of."""
    browser = page.context.browser
    assert browser is not None
    session = browser.new_browser_cdp_session()
    events: list[dict[str, Any]] = []
    complete: list[object] = []
    session.on("Tracing.dataCollected", lambda told: events.extend(told["value"]))
    session.on("Tracing.tracingComplete", lambda told: complete.append(told))
    session.send("Tracing.start", {"transferMode": "ReportEvents", "traceConfig": {"includedCategories": CATEGORIES}})
    try:
        yield
        page.evaluate("0")  # whatever the block began in the page's thread is over, and told
    finally:
        session.send("Tracing.end")
        until = time.monotonic() + 120
        while not complete and time.monotonic() < until:
            page.wait_for_timeout(100)
        found |= _of_the_chooser(events)


def _of_the_chooser(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the longest task has in it by which chromium's file chooser answers; nothing if there was none."""
    answers = [one for one in events if one.get("ph") == "X" and _is_answer(one)]
    if not answers:
        return {}
    task = max(answers, key=lambda one: one["dur"])
    inside = [one for one in events if one.get("ph") == "X" and one["tid"] == task["tid"] and _within(one, task)]
    asked = [one["dur"] for one in inside if one["name"] == ASKED]
    heard = [one["dur"] for one in inside if one["name"] == "EventDispatch"]
    return {
        "chooser_task_ms": round(task["dur"] / 1000),
        "its_core_ms": round(task.get("tdur", 0) / 1000),
        "its_questions_to_the_browser": len(asked),
        "their_ms": round(sum(asked) / 1000),
        "its_events_of_the_page_ms": round(sum(heard) / 1000),
    }


def _is_answer(event: dict[str, Any]) -> bool:
    told = event.get("args", {}).get("chrome_mojo_event_info", {})
    return told.get("watcher_notify_interface_tag") == "blink.mojom.FileChooser"


def _within(event: dict[str, Any], task: dict[str, Any]) -> bool:
    return bool(event["pid"] == task["pid"] and task["ts"] <= event["ts"] < task["ts"] + task["dur"])
