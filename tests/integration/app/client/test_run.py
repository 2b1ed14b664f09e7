"""A run that goes on where another ended."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from app.client import Elastiq
from app.client.files import File
from app.client.run import answers_to
from tests.support import photographs
from tests.support.waiting import wait_for
from tests.support.web import Labeller, Site

CAT = photographs.chelsea()


def many(folder: Path, count: int) -> Path:
    folder.mkdir()
    for n in range(count):
        (folder / f"{n:02d}.png").write_bytes(CAT + bytes([n]))
        os.utime(folder / f"{n:02d}.png", (1e9, 1e9))
    return folder


def uploads(site: Site) -> int:
    return sum(line["files"] for line in site.logged("upload_taken"))


def test_what_a_batch_has_is_not_sent_again_and_its_results_come_all_the_same(site: Site, tmp_path: Path) -> None:
    folder, before = many(tmp_path / "trip", 40), uploads(site)
    run = Elastiq(site.url).classify(sorted(folder.iterdir())[:8])
    results = iter(run)
    stopped = threading.Thread(target=lambda: list(results))
    stopped.start()
    wait_for(lambda: run.batch and len(site.keys(run.batch)) == 8, 20)
    (folder / "03.png").write_bytes(CAT + b"\3")  # as long as before, and changed since
    said: list[str] = []
    with Labeller(site):
        again = Elastiq(site.url, say=said.append).classify(sorted(folder.iterdir()), resume=run.page)
        found = {result.path: result.label for result in again}
        stopped.join(30)
    assert found == {str(path): f"label of {path.name}" for path in folder.iterdir()}
    assert again.batch == run.batch
    assert uploads(site) - before == 8 + 33
    assert "7 of 40 are uploaded already" in said
    assert len(site.keys(run.batch)) == 40


def test_a_batch_that_has_all_is_only_followed(site: Site, tmp_path: Path) -> None:
    folder = many(tmp_path / "trip", 3)
    with Labeller(site):
        first = Elastiq(site.url).classify(folder)
        labels = [result.label for result in first]
        sent = uploads(site)
        again = [result.label for result in Elastiq(site.url).classify(folder, resume=first.batch)]
    assert sorted(map(str, again)) == sorted(map(str, labels))
    assert uploads(site) == sent


def test_who_stops_iterating_has_no_thread_left(site: Site, tmp_path: Path) -> None:
    before = threading.active_count()
    run = Elastiq(site.url).classify(many(tmp_path / "trip", 3))
    with Labeller(site):
        for _ in run:
            break
    run.close()
    wait_for(lambda: threading.active_count() <= before, 30)


@pytest.mark.parametrize(
    ("paths", "answered", "expected"),
    [
        (["a", "b"], ["x", "y"], ["x", "y"]),
        (["a", "b"], ["b"], [None, "b"]),
        (["a", "a"], ["a", "b", "a"], ["a", "a"]),
    ],
)
def test_as_many_answers_as_files_are_in_their_order_and_others_go_by_path(
    paths: list[str], answered: list[str], expected: list[str | None]
) -> None:
    files = [File(path, path, Path(path), 1) for path in paths]
    images = answers_to(files, [{"path": path, "filename": path} for path in answered])
    assert [image and image["path"] for image in images] == expected
