"""`elastiq classify`, as people run it."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support import photographs
from tests.support.waiting import wait_for
from tests.support.web import ROOT, Labeller, Site

CAT, COFFEE = photographs.chelsea(), photographs.coffee()

Serve = Callable[..., Site]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "holiday"
    (folder / "day 2").mkdir(parents=True)
    (folder / "cat.png").write_bytes(CAT)
    (folder / "day 2" / "cup.PNG").write_bytes(COFFEE)
    (folder / "notes.txt").write_text("lovely")
    return folder


def command(site: Site, *arguments: object) -> list[str]:
    return [sys.executable, "-m", "app.cli", "classify", "--url", site.url, *map(str, arguments)]


def classify(site: Site, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(site, *arguments), env=site.environment, cwd=ROOT, capture_output=True, text=True, timeout=120
    )


def test_a_folder_s_images_are_printed_with_their_labels(site: Site, folder: Path) -> None:
    with Labeller(site):
        found = classify(site, folder)
    assert found.returncode == 0, found.stderr
    assert sorted(found.stdout.splitlines()) == ["(cat.png, label of cat.png)", "(cup.PNG, label of cup.PNG)"]
    assert "1 file" in found.stderr
    assert "Classifying" not in found.stderr  # no progress bar where nobody looks


def test_json_lines_hold_what_the_api_says(site: Site, folder: Path) -> None:
    with Labeller(site):
        found = classify(site, "--json", folder / "cat.png")
    (image,) = [json.loads(line) for line in found.stdout.splitlines()]
    assert (image["filename"], image["label"], image["score"]) == ("cat.png", "label of cat.png", 0.75)
    assert [prediction["label"] for prediction in image["top5"]] == ["label of cat.png", "lynx"]


def test_a_failure_is_told_and_makes_the_exit_status_1(site: Site, folder: Path) -> None:
    (folder / "text.jpg").write_text("no photograph")
    with Labeller(site):
        found = classify(site, folder)
    assert found.returncode == 1
    assert len(found.stdout.splitlines()) == 2
    assert "text.jpg: this is not an image" in found.stderr


def test_a_file_named_itself_is_sent_whatever_its_name(site: Site, folder: Path) -> None:
    found = classify(site, "--json", folder / "notes.txt")
    assert found.returncode == 1
    assert json.loads(found.stdout)["reason"].startswith("this is not an image")


def test_a_name_that_is_hard_to_send_arrives(site: Site, tmp_path: Path) -> None:
    names = ['a "quoted" name.png', "café 照片.png", "100%.png"]
    for name in names:
        (tmp_path / name).write_bytes(CAT)
    with Labeller(site):
        found = classify(site, *(tmp_path / name for name in names))
    assert sorted(found.stdout.splitlines()) == sorted(f"({name}, label of {name})" for name in names)


def test_a_file_given_twice_is_one_image_and_two_lines(site: Site, folder: Path) -> None:
    with Labeller(site):
        found = classify(site, folder / "cat.png", folder / "cat.png")
    assert found.stdout.splitlines() == ["(cat.png, label of cat.png)"] * 2


def test_many_files_go_up_in_chunks_and_each_comes_back_once(site: Site, tmp_path: Path) -> None:
    names = [f"{n:03d}.png" for n in range(150)]
    for name in names:
        (tmp_path / name).write_bytes(CAT)
    with Labeller(site):
        found = classify(site, tmp_path)
    assert found.returncode == 0, found.stderr
    assert sorted(found.stdout.splitlines()) == [f"({name}, label of {name})" for name in names]


def test_where_nothing_answers_it_says_what_to_do(site: Site, folder: Path) -> None:
    found = classify(site, "--url", "http://127.0.0.1:9", folder)
    assert found.returncode == 2
    assert found.stdout == ""
    assert "make run" in found.stderr
    assert "Traceback" not in found.stderr


def test_a_folder_without_images_is_said_to_have_none(site: Site, tmp_path: Path) -> None:
    found = classify(site, tmp_path)
    assert found.returncode == 2
    assert "no image found" in found.stderr


def test_it_outlives_a_web_tier_that_is_restarted_while_it_waits(serve: Serve, folder: Path) -> None:
    site = serve()
    site.environment["ELASTIQ_PORT"] = str(urlsplit(site.url).port)
    running = subprocess.Popen(command(site, folder), env=site.environment, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    wait_for(lambda: site.queued() == 2, 30)
    site.stop()
    site.start()
    with Labeller(site):
        output, _ = running.communicate(timeout=60)
    assert sorted(output.splitlines()) == ["(cat.png, label of cat.png)", "(cup.PNG, label of cup.PNG)"]


def test_where_no_stream_is_to_be_had_it_polls(serve: Serve, folder: Path) -> None:
    site = serve(ELASTIQ_WEB_THREADS="8")
    waiting = site.upload(("never.png", COFFEE))["id"]
    streams = [site.events(waiting) for _ in range(4)]
    with Labeller(site, but={waiting}):
        assert classify(site, folder / "cat.png").stdout == "(cat.png, label of cat.png)\n"
    for stream in streams:
        stream.close()


def test_at_a_terminal_a_bar_shows_the_progress(site: Site, folder: Path) -> None:
    ours, theirs = pty.openpty()
    seen: list[bytes] = []

    def read() -> None:
        try:
            while data := os.read(ours, 4096):
                seen.append(data)
        except OSError:
            pass  # how a terminal tells that the other side has closed it

    reader = threading.Thread(target=read)
    reader.start()
    with Labeller(site):
        found = subprocess.run(
            command(site, folder), env=site.environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=theirs, timeout=120
        )
    os.close(theirs)
    reader.join(10)
    os.close(ours)
    assert len(found.stdout.splitlines()) == 2
    assert re.search(rb"Classifying.*2/2", b"".join(seen))


def test_a_file_that_cannot_be_read_fails_alone(site: Site, folder: Path) -> None:
    (folder / "gone.jpg").symlink_to(folder / "nowhere.jpg")
    with Labeller(site):
        found = classify(site, folder / "cat.png", folder / "day 2")
        broken = subprocess.run(
            [sys.executable, "-c", "import sys; from pathlib import Path; from app.client.classify import classify; "
             "sys.exit(classify([Path(p) for p in sys.argv[2:]], sys.argv[1], as_json=False))",
             site.url, folder / "gone.jpg", folder / "cat.png"],
            env=site.environment, cwd=ROOT, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
    assert found.returncode == 0
    assert broken.returncode == 1
    assert broken.stdout == "(cat.png, label of cat.png)\n"
    assert "gone.jpg: the file cannot be read" in broken.stderr
