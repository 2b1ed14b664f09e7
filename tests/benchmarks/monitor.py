"""The monitor while 500 images pass through 19 machines: long tasks of the page, and a picture of it.

    .venv/bin/python tests/benchmarks/monitor.py [--json] [--picture FILE.png] [--dark] [--width PIXELS] [--machines N]

No machine is real: their events are, as an autoscaler and workers announce them. What came before is told to a real
autoscaler's chronicle, by a clock that runs fast, and a real web process begins with what that keeps in the embedded
cloud's bucket; what comes while a real chromium looks goes through the real topic.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import CDPSession, Page, sync_playwright

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from app import aws  # noqa: E402
from app.account.provision import provision  # noqa: E402
from app.announcements import (  # noqa: E402
    Announcement,
    ImageClassified,
    ImageFailed,
    Said,
    ScalingDecided,
    WorkerHeartbeat,
    WorkerLeaving,
    WorkerOffline,
)
from app.domain import (  # noqa: E402
    Classification,
    Failure,
    FleetCost,
    Instance,
    InstanceState,
    Life,
    Prediction,
    QueueDepth,
)
from app.local import EmbeddedCloud  # noqa: E402
from app.prices import prices  # noqa: E402
from autoscaler.chronicle import Chronicle  # noqa: E402
from tests.e2e.conftest import ARGUMENTS, chromium  # noqa: E402
from tests.support.clock import Clock  # noqa: E402
from tests.support.fleet import announcer, wait_for_listener  # noqa: E402
from tests.support.waiting import wait_for  # noqa: E402
from tests.support.web import Site  # noqa: E402

STEP_S, LOOK_S = 2.0, 20.0
PENDING_S, BOOT_S, IDLE_S, DRAIN_S = 9.0, 16.0, 30.0, 4.0
HOUR_USD = prices().worker_hour("c7i.large", spot=True)
REASONS = ("the file is cut short", "it has 12,000 x 9,000 pixels, more than the 100,000,000 that are allowed")
WATCH = """
window.long = [];
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) window.long.push(duration);
}).observe({ type: "longtask", buffered: true });
"""


@dataclass(frozen=True)
class Machine:
    """One instance: when it is launched and when its work ends, seconds after the beginning, and how."""

    id: str
    launched: float
    done_at: float
    lost: bool = False

    @property
    def ready(self) -> float:
        return self.launched + PENDING_S + BOOT_S

    @property
    def leaves(self) -> float:
        return self.done_at + (0 if self.lost else IDLE_S)

    @property
    def ends(self) -> float:
        return self.leaves + (0 if self.lost else DRAIN_S)

    def state(self, at: float) -> InstanceState:
        if at < self.launched + PENDING_S:
            return InstanceState.PENDING
        return InstanceState.RUNNING if at < self.leaves else InstanceState.DRAINING


@dataclass(frozen=True)
class Burst:
    """Images that come at once, and what each of so many machines does of them in a second."""

    at: float
    images: int
    machines: int
    rate: float

    @property
    def ends(self) -> float:
        return self.at + 4 + PENDING_S + BOOT_S + self.images / (self.machines * self.rate)


# The last begins a minute before somebody looks: some 300 of its 500 images are done when the picture is taken.
BEFORE_S = 3500.0
BURSTS = (
    Burst(400, 160, 8, 0.4),
    Burst(1500, 90, 5, 0.5),
    Burst(2760, 120, 4, 0.45),
    Burst(BEFORE_S - 60, 500, 19, 0.24),
)


class Story:
    """What is announced, step by step; times are seconds since 1970.

    Args:
        began_at: when it began.
        machines: those of the last burst.
    """

    def __init__(self, began_at: float, machines: int) -> None:
        self.began_at = began_at
        last = BURSTS[-1]
        more = Burst(last.at, last.images, machines, last.rate * last.machines / machines)
        self._bursts = (*BURSTS[:-1], more)
        self._machines = [
            Machine(
                f"i-0{index:02x}{n:02x}5e7d9a31c{n:02x}", burst.at + 3 + n % 5 / 2, burst.ends, index == 2 and n == 3
            )
            for index, burst in enumerate(self._bursts)
            for n in range(burst.machines)
        ]
        self._done: dict[int, int] = {}
        self._said: set[str] = set()
        self._total_usd = 0.0

    def step(self, now: float) -> Iterator[tuple[Announcement, str]]:
        """Yield what is announced at a time, and by whom."""
        at = now - self.began_at
        there = [one for one in self._machines if one.launched <= at < one.ends]
        waiting = 0
        for index, burst in enumerate(self._bursts):
            if at >= burst.at:
                yield from self._outcomes(index, burst, at, now)
                waiting += burst.images - self._done[index]
        for machine in there:
            yield from self._worker(machine, at)
        for machine in self._machines:
            if machine.ends <= at and not machine.lost and machine.id not in self._said:
                self._said.add(machine.id)
                yield WorkerOffline(0, 30), f"{machine.id}@ip-10-0-0-7"
        yield self._decision(at, there, waiting), "autoscaler@control"

    def waiting(self) -> int:
        """Return how many images were not done at the last step."""
        return sum(burst.images - self._done.get(index, 0) for index, burst in enumerate(self._bursts))

    def _outcomes(self, index: int, burst: Burst, at: float, now: float) -> Iterator[tuple[Announcement, str]]:
        before = self._done.get(index, 0)
        begun = burst.at + 4 + PENDING_S + BOOT_S
        after = min(burst.images, max(0, int((at - begun) * burst.machines * burst.rate)))
        self._done[index] = after
        batch = f"20261128T10{index:02}12123Z-0a1b2c3d"
        for number in range(before, after):
            life = Life(
                "i", "tasks.classify", 1, now, queued_at=now - (at - burst.at) * (0.5 + 0.5 * number / burst.images)
            )
            key = f"{batch}/holiday/IMG_{4000 + number}.jpg"
            if number % 53 == 7:
                yield ImageFailed(Failure.of(key, REASONS[number % 3 == 0]), life), "i@host"
            else:
                outcome = Classification.of(key, [Prediction("tabby", 0.9)], "efficientnet_v2_s")
                yield ImageClassified(outcome, life), "i@host"

    def _worker(self, machine: Machine, at: float) -> Iterator[tuple[Announcement, str]]:
        node = f"{machine.id}@ip-10-0-0-7"
        if at < machine.ready:
            return
        if at >= machine.leaves and f"leaves {machine.id}" not in self._said:
            self._said.add(f"leaves {machine.id}")
            yield WorkerLeaving("idle"), node
        busy = at < machine.done_at
        done = int(max(0.0, min(at, machine.done_at) - machine.ready) * 0.24)
        yield WorkerHeartbeat(2 if busy else 0, done + (2 if busy else 0)), node

    def _decision(self, at: float, there: list[Machine], waiting: int) -> ScalingDecided:
        fleet = tuple(
            Instance(
                one.id,
                one.state(at),
                datetime.fromtimestamp(self.began_at + one.launched, UTC),
                datetime.fromtimestamp(self.began_at + at, UTC) if at >= one.ready else None,
            )
            for one in there
        )
        billed = [one for one in there if at >= one.launched + PENDING_S]
        each = tuple((one.id, HOUR_USD / 3600 * max(60, at - one.launched - PENDING_S)) for one in billed)
        self._total_usd += len(billed) * HOUR_USD / 3600 * STEP_S
        cost = FleetCost(len(billed) * HOUR_USD, 0.2 + self._total_usd, self._total_usd, "c7i.large, spot", each=each)
        in_flight = min(waiting, 2 * len(billed))
        wanted = len(there) if waiting else 0
        new = [one for one in there if at - one.launched < STEP_S]
        reason = (
            f"{waiting} images are due within 60 s" if waiting else "all is done; idle machines leave by themselves"
        )
        return ScalingDecided(
            desired=wanted, launch=len(new), drain=(), held=False, reason=reason, policy="deadline", ceiling=19,
            leader="ip-10-0-0-4:812", depth=QueueDepth(waiting - in_flight, in_flight), fleet=fleet,
            oldest_s=at - self._bursts[-1].at if waiting else 0.0, arrival_rate=8.3 if waiting else 0.0,
            service_rate=0.24, boot_s=BOOT_S, cost=cost,
        )  # fmt: skip


def remember(site: Site, story: Story, until: float) -> None:
    """Have a chronicle hear all that was announced up to a time, and keep it."""
    clock = Clock(story.began_at)
    chronicle = Chronicle(site.config, "ip-10-0-0-4:812", clock)
    while clock.now < until:
        for what, node in story.step(clock.now):
            chronicle.hear(Said(what, node, clock.now))
        clock.now += STEP_S
    chronicle.note()


def queue(site: Site, story: Story) -> None:
    """Put as many messages into the task queue as there are images that wait; nobody reads them."""
    sqs = aws.client("sqs", site.config.aws)
    url = sqs.get_queue_url(QueueName=site.config.queue.name)["QueueUrl"]
    left = range(story.waiting())
    for at in left[::10]:
        entries = [{"Id": str(n), "MessageBody": "waits"} for n in left[at : at + 10]]
        sqs.send_message_batch(QueueUrl=url, Entries=entries)


def look(site: Site, story: Story, page: Page, picture: str) -> dict[str, Any]:
    """Look on while more is announced; return what the page took for it."""
    page.add_init_script(WATCH)
    page.goto(f"{site.url}/monitor")
    with announcer(site.config) as announce:
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        page.wait_for_timeout(3000)
        before_s, ends = cpu(session), time.time() + LOOK_S
        while time.time() < ends:
            for what, node in story.step(time.time()):
                announce.say(what, node)
            page.wait_for_timeout(1000 * STEP_S)
    thread = cpu(session) - before_s
    if picture:
        page.screenshot(path=picture, full_page=True)
        Image.open(picture).convert("RGB").quantize(250, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(
            picture, optimize=True
        )
    long = page.evaluate("window.long")
    bars = page.locator("#instances tbody tr").count()
    page.get_by_label("1 hour").check()
    page.wait_for_timeout(3000)
    hour = page.evaluate("window.long")
    return {
        "bars_of_a_quarter": bars,
        "bars_of_an_hour": page.locator("#instances tbody tr").count(),
        "long_tasks": len(hour),
        "longest_task_ms": round(max(hour, default=0.0)),
        "long_tasks_of_a_quarter": len(long),
        "main_thread_ms_per_s": round(1000 * thread / LOOK_S, 1),
        "kept_bytes": len(json.dumps(site.fleet())),
    }


def cpu(session: CDPSession) -> float:
    """Return the seconds of a processor that the page's main thread has taken."""
    values = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    return float(values["TaskDuration"])


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Return what the page took."""
    with tempfile.TemporaryDirectory(prefix="elastiq-monitor-") as name, sync_playwright() as playwright:
        folder = Path(name)
        cloud = EmbeddedCloud(folder / "cloud")
        cloud.start()
        site = Site({**os.environ, **cloud.environment, "ELASTIQ_DATA_DIR": str(folder / "data")}, folder / "web.log")
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        try:
            provision(site.config)
            until = time.time()
            story = Story(until - BEFORE_S, given.machines)
            remember(site, story, until)
            queue(site, story)
            site.start()
            wait_for_listener(site.config)
            wait_for(lambda: site.fleet()["timeline"], 30)
            scheme, size = "dark" if given.dark else "light", {"width": given.width, "height": 900}
            page = browser.new_page(viewport=size, color_scheme=scheme, reduced_motion="reduce")
            return look(site, story, page, given.picture)
        finally:
            browser.close()
            site.stop()
            cloud.stop()


def main() -> None:
    """Measure, and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--picture", default="", help="where a picture of the page goes")
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--machines", type=int, default=19)
    given = parser.parse_args()
    found = measure(given)
    if given.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name.replace('_', ' '):>26}  {value}")


if __name__ == "__main__":
    main()
