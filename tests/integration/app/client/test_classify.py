"""`elastiq classify`, as people run it."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from app.announcements import WorkerHeartbeat
from app.domain import Instance, InstanceState
from tests.support import photographs
from tests.support.fleet import announcer, decision, wait_for_listener
from tests.support.waiting import wait_for
from tests.support.web import ROOT, Labeller, Site

CAT, COFFEE = photographs.chelsea(), photographs.coffee()

Serve = Callable[..., Site]


class Forgetful:
    """A web tier that answers for one file of an upload, and of what it took gives a label to some.

    Attributes:
        answered: the path that it answers for.
        labelled: whether it ever gives that a label.
        busy: whether it refuses every upload, for now.
        meanwhile: is called when a batch is asked for.
    """

    def __init__(self) -> None:
        self.answered, self.labelled, self.busy = "", True, False
        self.meanwhile: Callable[[], object] = lambda: None
        tier = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if not self.path.endswith("/images"):
                    tier.meanwhile()
                elif tier.busy:
                    self._say(503, {"detail": "the disk is full"})
                    return
                self._say(201, {"id": "b", "images": [tier.image("waiting")]})

            def do_GET(self) -> None:
                if self.path.startswith("/api/batches/b/events"):
                    told = f"id: 1\nevent: image-classified\ndata: {json.dumps(tier.image('done'))}\n\n"
                    self._write(200, (told * tier.labelled + "event: done\ndata: {}\n\n").encode())
                else:
                    images = [tier.image("done")] * tier.labelled
                    self._say(200, {"counts": {"waiting": 0}, "cursor": "1", "images": images})

            def _say(self, status: int, body: object) -> None:
                self._write(status, json.dumps(body).encode())

            def _write(self, status: int, data: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Forgetful:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def image(self, state: str) -> dict[str, object]:
        """Return the one that it answers for, as the API has it."""
        filename = self.answered.rpartition("/")[2]
        label = "tabby" if state == "done" else None
        return {
            "key": f"b/{self.answered}",
            "filename": filename,
            "path": self.answered,
            "state": state,
            "label": label,
        }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "holiday"
    (folder / "day 2").mkdir(parents=True)
    (folder / "cat.png").write_bytes(CAT)
    (folder / "day 2" / "cup.PNG").write_bytes(COFFEE)
    (folder / "notes.txt").write_text("lovely")
    return folder


@pytest.fixture
def forgetful() -> Iterator[Forgetful]:
    with Forgetful() as tier:
        yield tier


def command(site: Site, *arguments: object) -> list[str]:
    return [sys.executable, "-m", "app.cli", "classify", "--url", site.url, *map(str, arguments)]


def classify(site: Site, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(site, *arguments), env=site.environment, cwd=ROOT, capture_output=True, text=True, timeout=120
    )


def test_a_folder_s_images_are_printed_with_their_labels(site: Site, folder: Path) -> None:
    with Labeller(site):
        found = classify(site, folder)
    assert sorted(found.stdout.splitlines()) == [
        f"({folder}/cat.png, label of holiday/cat.png)",
        f"({folder}/day 2/cup.PNG, label of holiday/day 2/cup.PNG)",
    ]
    assert "left out, not being named like images: 1 file (1 .txt)" in found.stderr
    assert found.returncode == 1  # for what was left out
    assert "Classifying" not in found.stderr  # no progress bar where nobody looks


def test_a_path_is_printed_as_it_was_given_and_files_of_one_name_stay_apart(site: Site, tmp_path: Path) -> None:
    for year in ("2023", "2024"):
        (tmp_path / year).mkdir()
        (tmp_path / year / "1.png").write_bytes(CAT if year == "2023" else COFFEE)
    arguments = command(site, "2024/1.png", "./2023")
    with Labeller(site):
        found = subprocess.run(
            arguments, env=site.environment, cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        told = subprocess.run(
            [*arguments, "--json"], env=site.environment, cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
    assert found.returncode == 0, found.stderr
    assert sorted(found.stdout.splitlines()) == [
        "(./2023/1.png, label of 2023/1.png)",
        "(2024/1.png, label of 2024/1.png)",
    ]
    images = {image["path"]: image for image in map(json.loads, told.stdout.splitlines())}
    assert {path: (image["filename"], image["label"]) for path, image in images.items()} == {
        "./2023/1.png": ("1.png", "label of 2023/1.png"),
        "2024/1.png": ("1.png", "label of 2024/1.png"),
    }


def test_a_folder_of_an_iphone_s_photographs_is_sent(site: Site, tmp_path: Path) -> None:
    (tmp_path / "IMG_1.HEIC").write_bytes(CAT)  # the content decides what it is
    with Labeller(site):
        found = classify(site, tmp_path)
    assert found.returncode == 0, found.stderr
    assert found.stdout == f"({tmp_path}/IMG_1.HEIC, label of {tmp_path.name}/IMG_1.HEIC)\n"


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
    assert f"{folder}/text.jpg: this is not an image" in found.stderr


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
    assert sorted(found.stdout.splitlines()) == sorted(f"({tmp_path / name}, label of {name})" for name in names)


def test_a_name_that_is_no_text_is_printed_as_it_is(site: Site, tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9.png"
    Path(os.fsdecode(name)).write_bytes(CAT)
    with Labeller(site):
        found = subprocess.run([*command(site), name], env=site.environment, cwd=ROOT, capture_output=True, timeout=60)
    assert found.stdout.startswith(b"(" + name + b", label of caf"), found.stderr


def test_a_file_given_twice_is_one_image_and_two_lines(site: Site, folder: Path) -> None:
    with Labeller(site):
        found = classify(site, folder / "cat.png", folder / "cat.png")
    assert found.stdout.splitlines() == [f"({folder / 'cat.png'}, label of cat.png)"] * 2


def test_many_files_go_up_in_chunks_and_each_comes_back_once(site: Site, tmp_path: Path) -> None:
    names = [f"{n:03d}.png" for n in range(150)]
    for name in names:
        (tmp_path / name).write_bytes(CAT)
    with Labeller(site):
        found = classify(site, tmp_path)
    assert found.returncode == 0, found.stderr
    labels = [f"({tmp_path / name}, label of {tmp_path.name}/{name})" for name in names]
    assert sorted(found.stdout.splitlines()) == labels


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
    assert len(output.splitlines()) == 2


def test_where_no_stream_is_to_be_had_it_polls(serve: Serve, folder: Path) -> None:
    site = serve(ELASTIQ_WEB_THREADS="8")
    waiting = site.upload(("never.png", COFFEE))["id"]
    streams = [site.events(waiting) for _ in range(4)]
    with Labeller(site, but={waiting}):
        assert classify(site, folder / "cat.png").stdout == f"({folder / 'cat.png'}, label of cat.png)\n"
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
    assert broken.stdout == f"({folder / 'cat.png'}, label of cat.png)\n"
    assert f"{folder / 'gone.jpg'}: cannot be read (No such file or directory)" in broken.stderr


@contextmanager
def begin(site: Site, *arguments: object, **options: Any) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        command(site, *arguments), env=site.environment, cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options,
    ) as running:  # fmt: skip
        try:
            yield running
        finally:
            running.kill()  # where its test has failed it would be waited for without end


def said_before(running: subprocess.Popen[str], pattern: str) -> list[str]:
    """Read what it says up to a line with ``pattern``; return those lines."""
    assert running.stderr is not None
    lines: list[str] = []
    for line in running.stderr:
        lines.append(line)
        if re.search(pattern, line):
            return lines
    raise AssertionError(f"it never said {pattern}: {lines}")


def test_the_batch_s_address_is_said_at_once_and_shows_the_batch(site: Site, folder: Path) -> None:
    with begin(site, folder / "cat.png") as running:
        (line,) = said_before(running, "batch: ")
        id = line.strip().rpartition("/")[2]
        assert line == f"batch: {site.url}/batches/{id}\n"
        wait_for(lambda: site.get(f"/api/batches/{id}").status == 200, 30)
        running.kill()


def test_a_web_tier_that_goes_away_after_the_upload_is_said_and_given_up(serve: Serve, folder: Path) -> None:
    site = serve()
    with begin(site, "--patience", 1, folder) as running:
        said_before(running, "batch: ")
        wait_for(lambda: site.queued() == 2, 30)
        site.stop()
        _, said = running.communicate(timeout=60)
    assert running.returncode == 3
    assert re.search(rf"no answer from {site.url} \(.*\); trying again for up to 1 s", said)
    assert "elastiq: no answer for 1 s (Connection refused); given up" in said
    assert f"2 of 2 have no outcome yet; what was uploaded goes on: {site.url}/batches/" in said
    assert "Traceback" not in said


def test_a_web_tier_that_comes_back_in_time_is_said_to(serve: Serve, folder: Path) -> None:
    site = serve()
    site.environment["ELASTIQ_PORT"] = str(urlsplit(site.url).port)
    with begin(site, folder / "cat.png") as running:
        said_before(running, "batch: ")
        wait_for(lambda: site.queued() == 1, 30)
        site.stop()
        said_before(running, "no answer from")
        site.start()
        with Labeller(site):
            _, said = running.communicate(timeout=60)
    assert running.returncode == 0
    assert f"{site.url} answers again" in said


def test_an_interrupt_ends_it_at_once_and_says_where_the_rest_is(site: Site, folder: Path) -> None:
    with begin(site, folder) as running:
        said_before(running, "batch: ")
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=30)
    assert running.returncode == 130
    assert said.startswith("interrupted\n2 of 2 have no outcome yet; what was uploaded goes on: ")
    assert f"{site.url}/batches/" in said
    assert "Traceback" not in said


def test_an_interrupt_waits_for_no_upload(site: Site, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with begin(site, "--url", f"http://127.0.0.1:{silent.getsockname()[1]}", folder) as running:
            connection, _ = silent.accept()
            connection.recv(4096)
            connection.sendall(b'HTTP/1.1 201 Created\r\nContent-Length: 10\r\n\r\n{"id":"b"}')
            said_before(running, "batch: ")
            running.send_signal(signal.SIGINT)
            _, said = running.communicate(timeout=30)
        connection.close()
    assert running.returncode == 130
    assert "Traceback" not in said


@pytest.mark.parametrize("given", ["-", "/dev/stdin"])
def test_standard_input_is_an_image_like_any_other(serve: Serve, given: str) -> None:
    site = serve()
    with Labeller(site):
        found = subprocess.run(
            command(site, given), env=site.environment, cwd=ROOT, input=CAT, capture_output=True, timeout=60
        )
    assert found.stdout.decode() == f"({given}, label of stdin)\n", found.stderr
    (key,) = site.all_keys()
    assert site.storage.get_image(key) == CAT


def test_a_shell_s_pipes_are_read(serve: Serve, folder: Path) -> None:
    site = serve()
    script = 'exec "$@" <(cat "$CAT") "$CAT"'
    with Labeller(site):
        found = subprocess.run(
            ["bash", "-c", script, "bash", *command(site)], env={**site.environment, "CAT": str(folder / "cat.png")},
            cwd=ROOT, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert re.search(r"^\(/dev/fd/\d+, label of \d+\)$", found.stdout, re.MULTILINE)
    assert {len(site.storage.get_image(key)) for key in site.all_keys()} == {len(CAT)}


def test_on_ipv6_it_finds_the_web_tier_by_the_settings(serve: Serve, folder: Path) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    site = serve(ELASTIQ_HOST="::1")
    assert site.url.startswith("http://[::1]:")
    environment = {**site.environment, "ELASTIQ_PORT": str(urlsplit(site.url).port)}
    plain = [sys.executable, "-m", "app.cli", "classify", str(folder / "cat.png")]
    with Labeller(site):
        found = subprocess.run(plain, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stderr
    assert f"batch: {site.url}/batches/" in found.stderr


def test_a_file_that_the_web_tier_does_not_answer_for_is_said_and_nobody_waits_for_it(
    site: Site, forgetful: Forgetful, folder: Path
) -> None:
    forgetful.answered = "holiday/day 2/cup.PNG"
    found = classify(site, "--url", forgetful.url, folder)
    assert found.returncode == 1
    assert found.stdout == f"({folder}/day 2/cup.PNG, tabby)\n"
    assert f"{folder}/cat.png: the web tier does not say what became of it" in found.stderr


def test_a_web_tier_that_takes_no_upload_is_given_up(site: Site, forgetful: Forgetful, folder: Path) -> None:
    forgetful.busy = True
    found = classify(site, "--url", forgetful.url, "--patience", 1, folder)
    assert (found.returncode, found.stdout) == (3, "")
    assert "elastiq: no answer for 1 s (the disk is full); given up" in found.stderr
    assert "2 of 2 have no outcome yet" in found.stderr


@pytest.mark.parametrize("alone", [False, True])
def test_a_file_that_goes_before_it_is_sent_fails_alone(
    site: Site, forgetful: Forgetful, folder: Path, alone: bool
) -> None:
    forgetful.answered = "day 2/cup.PNG"
    forgetful.meanwhile = (folder / "cat.png").unlink
    files = [folder / "cat.png"] if alone else [folder / "cat.png", folder / "day 2"]
    found = classify(site, "--json", "--url", forgetful.url, *files)
    assert found.returncode == 1
    gone, *others = map(json.loads, found.stdout.splitlines())
    assert (gone["path"], gone["state"], gone["label"]) == (f"{folder}/cat.png", "failed", None)
    assert gone["reason"] == "the file cannot be read any more (No such file or directory)"
    assert [image["label"] for image in others] == ([] if alone else ["tabby"])


def test_who_reads_no_further_ends_it_without_a_traceback(site: Site, folder: Path) -> None:
    with Labeller(site), begin(site, folder) as running:
        assert running.stdout is not None
        running.stdout.close()
        assert running.stderr is not None
        said = running.stderr.read()
        assert running.wait(60) == 1
    assert "Traceback" not in said


def test_an_image_that_a_complete_batch_does_not_have_is_said_to_be_lost(
    site: Site, forgetful: Forgetful, folder: Path
) -> None:
    forgetful.answered, forgetful.labelled = "cat.png", False
    found = classify(site, "--url", forgetful.url, folder / "cat.png")
    assert (found.returncode, found.stdout) == (1, "")
    assert f"{folder}/cat.png: the web tier does not say what became of it" in found.stderr


def test_what_is_waited_for_is_said_once_for_each_change(serve: Serve, folder: Path) -> None:
    site = serve()
    wait_for_listener(site.config)
    starting = (Instance("i-0aaa", InstanceState.PENDING, datetime.now(UTC)),)
    with begin(site, folder / "cat.png") as running, announcer(site.config) as announce:
        said_before(running, "waiting: (nothing has been heard of workers|no worker is heard)")
        announce.say(decision(fleet=starting, boot_s=None))
        assert said_before(running, "starting")[-1] == "waiting: an instance is starting\n"
        announce.say(WorkerHeartbeat(0, 0), "i-0aaa@host")
        assert said_before(running, "waiting: ") == ["waiting: a worker is there\n"]
        with Labeller(site):
            _, said = running.communicate(timeout=60)
    assert (running.returncode, said) == (0, "")


def test_what_is_left_out_of_a_folder_counts_in_the_exit_status(site: Site, folder: Path) -> None:
    (folder / "raw.CR2").write_bytes(b"")
    with Labeller(site):
        assert classify(site, folder / "day 2").returncode == 0
        found = classify(site, folder)
    assert found.returncode == 1
    assert "left out, not being named like images: 2 files (1 .cr2, 1 .txt); name a file itself" in found.stderr


def test_its_help_names_every_exit_status(site: Site) -> None:
    said = classify(site, "--help").stdout
    assert [line.split()[0] for line in said.partition("Exit status:")[2].splitlines() if re.match(r" +\d", line)] == [
        "0", "1", "2", "3", "130",
    ]  # fmt: skip
    assert "--patience SECONDS" in said


def test_results_are_written_to_files_as_well_and_another_run_goes_on_from_the_batch(
    site: Site, folder: Path, tmp_path: Path
) -> None:
    csv, jsonl, page = (tmp_path / f"found.{kind}" for kind in ("csv", "jsonl", "html"))
    with begin(site, folder / "cat.png", "--csv", csv) as running:
        said_before(running, "batch: ")
        wait_for(lambda: site.all_keys(), 30)
        running.send_signal(signal.SIGINT)
        said = said_before(running, "--resume ")
        assert running.wait(30) == 130
    id = said[-1].split()[-1]
    assert csv.read_text(encoding="utf-8-sig").splitlines() == ['"path","label","score","state","reason"']
    options = ("--resume", id, "--csv", csv, "--jsonl", jsonl, "--report", page)
    with Labeller(site):
        found = classify(site, folder / "cat.png", *options)
    assert found.returncode == 0, found.stderr
    assert "1 of 1 are uploaded already" in found.stderr
    label = "label of cat.png"
    assert csv.read_text().splitlines()[1] == f'"{folder}/cat.png","{label}","0.750000","done",""'
    assert json.loads(jsonl.read_text())["label"] == label
    assert f"<b>{label}</b>75% · cat.png" in page.read_text()
    assert "data:image/jpeg;base64," in page.read_text()
    cannot = classify(site, folder / "cat.png", "--csv", tmp_path / "nowhere" / "found.csv")
    assert cannot.returncode == 2
    assert "nowhere/found.csv: No such file or directory" in cannot.stderr
