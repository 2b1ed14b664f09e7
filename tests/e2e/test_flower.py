"""Flower beside `elastiq up`: its three tabs in a browser, its buttons, and its API, on workers that come and go."""

from __future__ import annotations

import base64
import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from app.local.cloud import free_port
from tests.conftest import models
from tests.support.stack import Stack, stack
from tests.support.waiting import wait_for

Visit = Callable[..., Page]
IMAGES = 3


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Everything on one machine, with Flower, and one worker that stays after some images."""
    port = str(free_port())
    settings = {"ELASTIQ_MODEL_DIR": str(models()), "ELASTIQ_MAX_INSTANCES": "1", "ELASTIQ_IDLE_SECONDS": "600"}
    with stack(tmp_path_factory.mktemp("flower") / "data", "--flower", FLOWER_PORT=port, **settings) as running:
        wait_for(lambda: ask(running, "workers?status=1") == {}, 60, lambda: running.said)
        running.wait_for_results("batch", running.submit("batch", IMAGES))
        yield running


def place(running: Stack) -> tuple[str, str]:
    """Return Flower's address and the password of this run, as they are printed."""
    found = re.search(r"Flower:     http://(elastiq:\w+)@(\S+)\n", running.said)
    assert found, running.said
    return f"http://{found[2]}", found[1]


def ask(running: Stack, path: str, method: str = "GET", *, secret: bool = True) -> Any:
    address, password = place(running)
    headers = {"Authorization": f"Basic {base64.b64encode(password.encode()).decode()}"} if secret else {}
    request = urllib.request.Request(f"{address}/api/{path}", method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as err:
        return err.code
    except OSError:
        return None


def worker(running: Stack) -> str:
    """Return the name of the one worker that is there."""
    (name,) = wait_for(lambda: [name for name, there in ask(running, "workers?status=1").items() if there], 30)
    return str(name)


def opened(running: Stack, visit: Visit, path: str) -> Page:
    """Open the address that is printed, as one does, and go on to a page."""
    address, password = place(running)
    page = visit(address.replace("://", f"://{password}@"))
    page.goto(f"{address}/{path}")
    return page


def pictured(page: Page, name: str) -> None:
    """Keep a picture of a page, if PICTURES names a folder for them."""
    if folder := os.environ.get("PICTURES"):
        whole = {"x": 0, "y": 0, "width": 1280, "height": 560}
        page.screenshot(path=Path(folder) / f"flower-{name}.png", clip=whole)


def test_its_workers_and_tasks_tabs_show_who_did_the_images(running: Stack, visit: Visit) -> None:
    name = worker(running)
    wait_for(lambda: len(ask(running, "tasks?state=SUCCESS")) == IMAGES, 30)

    workers = opened(running, visit, "workers")
    row = workers.locator("#workers-table tbody tr", has_text=name)
    expect(row).to_contain_text("Online")
    pictured(workers, "workers")
    tasks = opened(running, visit, "tasks")
    expect(tasks.locator("#tasks-table tbody tr", has_text="tasks.classify")).to_have_count(IMAGES)
    pictured(tasks, "tasks")


def test_its_broker_tab_counts_the_task_queue_and_its_dead_letters(running: Stack, visit: Visit) -> None:
    from app import aws
    from app.aws.address import task_queue_url

    config = running.settings()
    sqs = aws.client("sqs", config.aws)
    url = task_queue_url(sqs, config.queue)
    sqs.send_message(QueueUrl=url, MessageBody="later", DelaySeconds=900)
    try:
        page = opened(running, visit, "broker")
        rows = [row.locator("td").all_inner_texts()[:4] for row in page.locator("#queue-table tbody tr").all()]
        name = config.queue.name
        assert rows[0] == [name, "1", "0", "0"]
        assert rows[1:] == [[f"{name}-{other}", "0", "0", "0"] for other in ("bulk", "dead")]
        pictured(page, "broker")
    finally:
        sqs.purge_queue(QueueUrl=url)


def test_its_buttons_change_a_workers_pool(running: Stack, visit: Visit) -> None:
    name = worker(running)
    wait_for(lambda: (ask(running, "workers?refresh=1") or {}).get(name, {}).get("stats"), 30)

    def threads() -> int:
        found = ask(running, f"workers?refresh=1&workername={name}")[name]
        return int(found["stats"]["pool"]["max-concurrency"])

    before = threads()
    page = opened(running, visit, f"worker/{name}")
    page.locator("#pool-size").fill("2")
    page.locator("#worker-pool-grow").click()
    expect(page.get_by_text(f"Growing '{name}' worker's pool by 2")).to_be_visible()
    assert threads() == before + 2
    page.locator("#worker-pool-shrink").click()
    expect(page.get_by_text(f"Shrinking '{name}' worker's pool by 2")).to_be_visible()
    assert threads() == before
    page.locator("#worker-group").click()
    page.locator("#worker-pool-restart").click()
    expect(page.get_by_text(f"Restarting '{name}' worker's pool")).to_be_visible()
    more = running.submit("more", 2)
    running.wait_for_results("more", more)


def test_nobody_without_the_password_may_use_it(running: Stack) -> None:
    assert ask(running, f"worker/shutdown/{worker(running)}", "POST", secret=False) == 401
    assert ask(running, "workers?status=1", secret=False) == 401


def test_a_worker_that_it_stops_is_gone_and_has_failed_at_nothing(running: Stack, visit: Visit) -> None:
    name = worker(running)
    page = opened(running, visit, f"worker/{name}")
    page.locator("#worker-group").click()
    page.locator("#worker-shutdown").click()
    expect(page.get_by_text("Shutting down!")).to_be_visible()
    running.wait_until_no_instance_is_left()
    wait_for(lambda: ask(running, "workers?status=1")[name] is False, 30)

    workers = opened(running, visit, "workers")
    expect(workers.locator("#workers-table tbody tr", has_text=name)).to_contain_text("Offline")
    expect(workers.locator("#workers-failed")).to_have_text("0")
    assert ask(running, "tasks?state=FAILURE") == {}
    wait_for(lambda: running.records("autoscaler", "instance_gone"), 30)  # it looks a second later than this test
    assert running.records("autoscaler", "instance_gone")[-1].get("level") == "info"
