"""The files that people name, as they lie on a disk."""

from __future__ import annotations

import os
import socket
import threading
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.client import files
from app.client.files import File, Gathered, gather, kinds
from web.uploads import names

NAME_BYTES = 250  # a file system's names may be a little longer


@pytest.fixture
def spool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spool")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, empty."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def lay(*paths: str) -> None:
    for path in paths:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(path.encode())


def paths_of(found: Gathered) -> list[tuple[str, str]]:
    return [(file.given, file.sent) for file in found.files]


def test_each_file_has_the_path_that_it_was_given_and_one_of_its_own_in_the_batch(here: Path, spool: Path) -> None:
    lay("2024/1.jpg", "2023/1.jpg", "2023/deep/1.jpg")
    assert paths_of(gather(["2024/1.jpg", "./2023/"], spool)) == [
        ("2024/1.jpg", "2024/1.jpg"),
        ("./2023/1.jpg", "2023/1.jpg"),
        ("./2023/deep/1.jpg", "2023/deep/1.jpg"),
    ]


@pytest.mark.parametrize("given", [".", "../here", "{here}", "{here}/"])
def test_a_folder_s_own_name_begins_the_paths_of_what_is_in_it(here: Path, spool: Path, given: str) -> None:
    lay("b/1.jpg", "a.jpg")
    given = given.format(here=here)
    assert paths_of(gather([given], spool)) == [
        (os.path.join(given, "a.jpg"), "here/a.jpg"),
        (os.path.join(given, "b/1.jpg"), "here/b/1.jpg"),
    ]


def test_a_path_in_the_batch_never_leads_out_of_it(here: Path, spool: Path) -> None:
    lay("../a/1.jpg", "b/2.jpg", "3.jpg")
    sent = [sent for _, sent in paths_of(gather(["../a", str(here / "b"), "3.jpg"], spool))]
    assert sent == ["a/1.jpg", "here/b/2.jpg", "here/3.jpg"]


NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/\\"), min_size=1, max_size=40)


@given(st.lists(NAMES.filter(lambda name: name not in {".", ".."}), min_size=1, max_size=4), st.integers(0, 4))
def test_the_web_tier_takes_the_path_of_any_file_that_a_disk_can_have(parts: list[str], above: int) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, *(part.encode()[:200].decode(errors="ignore") or "x" for part in parts))
        path = path.with_name(f"{path.name}.jpg")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"image")
        named = [path, *path.parents][above % (len(parts) + 1)]
        (file,) = gather([named], Path(folder)).files
        names.check(file.sent)
        assert os.path.samefile(file.given, path)
        assert path.as_posix().endswith(f"/{file.sent}")


def test_in_a_folder_images_are_known_by_their_names_and_others_told_by_their_kinds(here: Path, spool: Path) -> None:
    lay(*(f"f/{n}{suffix}" for n, suffix in enumerate(files.IMAGE_SUFFIXES)), "f/A.HEIC", "f/b.JPG")
    lay("f/n.txt", "f/x/n.TXT", "f/x.psd", "f/readme", "f/.hidden", "f/.DS_Store", "f/Thumbs.db")
    found = gather(["f", "f/n.txt"], spool)
    assert len(found.files) == len(files.IMAGE_SUFFIXES) + 2 + 1
    assert found.files[-1].given == "f/n.txt"  # named itself
    assert found.skipped == Counter({".txt": 2, ".psd": 1, "without an ending": 2})
    assert kinds(found.skipped) == "2 .txt, 2 without an ending, 1 .psd"
    assert kinds(Counter("aabcdefgh")) == "2 a, 1 b, 1 c, 1 d, 1 e, 1 f, 2 others"


def test_a_folder_s_files_come_in_the_order_of_their_paths(here: Path, spool: Path) -> None:
    lay(*(f"f/{name}/{n}.jpg" for n in "312" for name in "cab"), "f/b.jpg")
    sent = [sent for _, sent in paths_of(gather(["f"], spool))]
    assert sent == sorted(sent)
    assert len(sent) == 10


def test_what_cannot_be_read_is_told_and_costs_nothing_else(here: Path, spool: Path) -> None:
    lay("f/a.jpg", "elsewhere/b.jpg")
    Path("f/broken.jpg").symlink_to("nowhere")
    Path("f/linked").symlink_to(here / "elsewhere", target_is_directory=True)
    Path("f/loop").symlink_to(here / "f", target_is_directory=True)
    os.mkfifo("f/pipe.jpg")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("f/socket.jpg")
    found = gather(["f", "gone.jpg"], spool)
    assert paths_of(found) == [("f/a.jpg", "f/a.jpg")]
    assert found.unread == [
        ("f/broken.jpg", "No such file or directory"),
        ("f/linked", "it is a link to a folder; name it itself"),
        ("f/loop", "it is a link to a folder; name it itself"),
        ("f/pipe.jpg", "it is no file"),
        ("f/socket.jpg", "it is no file"),
        ("gone.jpg", "No such file or directory"),
    ]


def test_a_folder_that_cannot_be_read_is_told(here: Path, spool: Path) -> None:
    lay("f/a.jpg")
    # So deep that its path is longer than the system takes: not even the superuser can list it by that.
    above = os.open("f", os.O_RDONLY)
    for _ in range(4096 // NAME_BYTES + 1):
        os.mkdir("d" * NAME_BYTES, dir_fd=above)
        inner = os.open("d" * NAME_BYTES, os.O_RDONLY, dir_fd=above)
        os.close(above)
        above = inner
    os.close(above)
    found = gather(["f"], spool)
    assert paths_of(found) == [("f/a.jpg", "f/a.jpg")]
    ((folder, why),) = found.unread
    assert folder.startswith("f/ddd")
    assert why == "File name too long"


def test_a_pipe_is_read_to_its_end_and_kept(here: Path, spool: Path) -> None:
    os.mkfifo("photo.pipe")
    writer = threading.Thread(target=lambda: Path("photo.pipe").write_bytes(b"x" * 300_000))
    writer.start()
    (file,) = gather(["photo.pipe"], spool).files
    writer.join()
    assert file == File("photo.pipe", "photo.pipe", file.content, 300_000)
    assert file.content.read_bytes() == b"x" * 300_000


def test_a_pipe_without_an_end_is_given_up(here: Path, spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_PIPED_BYTES", 2_000_000)
    found = gather(["/dev/zero"], spool)
    assert not found.files
    assert found.unread == [("/dev/zero", "it holds more than 2 MB")]


def test_where_only_pipes_are_named_there_is_no_common_folder(spool: Path) -> None:
    (file,) = gather(["/dev/null"], spool).files
    assert (file.sent, file.size) == ("null", 0)
