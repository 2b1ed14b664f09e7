"""Several web processes behind one address, and one of them killed in the middle of an upload.

It counts what became of the files, and prints that as JSON.
"""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import urllib3
from PIL import Image

from tests.support.nginx import nginx
from tests.support.waiting import wait_for
from tests.support.web import Events, Site

REQUESTS, FILES = 100, 10


def picture() -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (16, 16), "teal").save(target, "PNG")
    return target.getvalue()


def names(number: int) -> list[str]:
    return [f"{number:03}/{file}.png" for file in range(FILES)]


def test_what_was_answered_is_there_though_a_web_process_is_killed_amid_a_thousand_uploads(
    serve: Callable[..., Site], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # All in one queue, to be counted.
    settings = {"ELASTIQ_TRUSTED_PROXIES": "1", "ELASTIQ_INTERACTIVE_IMAGES": "10000"}
    one, two = serve(**settings), serve(**settings)
    with nginx(tmp_path, [one.url, two.url]) as address:
        two.url, direct = address, two.url
        id = two.post("/api/batches").json()["id"]
        content, answered, lost = picture(), threading.Semaphore(0), []

        def upload(number: int) -> list[str]:
            """Send some files until that is answered, as every client of the API does."""
            fields = [("files", (name, content)) for name in names(number)]
            while True:
                try:
                    answer = two.http.request("POST", f"{address}/api/batches/{id}/images", fields=fields)
                except urllib3.exceptions.HTTPError:
                    lost.append(number)
                    continue
                if answer.status == 201:
                    answered.release()
                    return [image["key"] for image in answer.json()["images"]]
                assert answer.status in {502, 503, 504}, answer.data
                lost.append(number)

        with ThreadPoolExecutor(8) as pool:
            uploads = [pool.submit(upload, number) for number in range(REQUESTS)]
            for _ in range(REQUESTS // 4):
                answered.acquire()
            follower = two.events(id)
            follower.until("current")
            for child in [*_children(one.process.pid), one.process.pid]:
                os.kill(child, signal.SIGKILL)
            keys = [key for done in uploads for key in done.result(120)]

        assert lost, "nobody noticed that it was killed"
        wanted = sorted(f"{id}/{name}" for number in range(REQUESTS) for name in names(number))
        there, queued = two.keys(id), two.queued()
        with capsys.disabled():
            sys.stdout.write(json.dumps({"web_killed": _told(keys, there, len(lost), queued)}) + "\n")
        assert sorted(keys) == wanted
        assert sorted(there) == wanted, "each is stored once, whatever was sent again"
        assert queued >= len(wanted)
        # The page, by the address of them all and by the one that is left.
        assert two.batch(id)["counts"]["total"] == len(wanted)
        stream = Events(two, f"/api/batches/{id}/events", "")
        told = stream.until("current")
        assert json.loads(told[-1]["data"])["total"] == len(wanted)
        two.classify(wanted[0])
        wait_for(lambda: (event := stream.next()) and event["event"] == "image-classified")
        two.url = direct
        assert two.batch(id)["counts"]["done"] == 1


def _told(answered: list[str], there: list[str], broken: int, queued: int) -> dict[str, int]:
    """Return what became of the files that were answered with 201.

    Args:
        answered: their keys.
        there: the keys in the bucket.
        broken: how many requests had no answer, or none of a web process, and were sent again.
        queued: messages.
    """
    return {
        "answered_201": len(answered),
        "there": len(set(answered) & set(there)),
        "lost": len(set(answered) - set(there)),
        "twice": len(there) - len(set(answered)),
        "requests_sent_again": broken,
        "messages_beyond_one_each": queued - len(set(answered)),
    }


def _children(pid: int) -> list[int]:
    return [child.pid for child in psutil.Process(pid).children()]
