"""Keys that files of one name get."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from web.uploads.places import Places

KEYS = ["x.jpg", *(f"x ({n}).jpg" for n in range(2, 10))]


class Shelf:
    """What a bucket does: it keeps the first file of each key."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.asked = 0
        self._lock = threading.Lock()

    def put(self, key: str, file: str) -> str | None:
        with self._lock:
            self.asked += 1
            return key if self.files.setdefault(key, file) == file else None

    def place(self, places: Places, file: str) -> str | None:
        return places.find([*KEYS, f"x ({file}).jpg"], file, lambda key: self.put(key, file))


def test_a_key_is_asked_for_once_by_each_file_that_gets_it_and_never_by_others() -> None:
    shelf, places = Shelf(), Places()
    assert [shelf.place(places, f"{n}") for n in range(9)] == KEYS
    assert shelf.place(places, "a") == "x (a).jpg"
    assert shelf.asked == 10


def test_files_that_come_at_once_ask_as_little() -> None:
    shelf, places = Shelf(), Places()
    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(lambda n: shelf.place(places, f"digest {n}"), range(200)))
    assert len(keys) == shelf.asked == 200


def test_files_that_nobody_has_place_for_are_told_so() -> None:
    assert Places().find(KEYS, "a", lambda key: None) is None


@given(st.lists(st.sampled_from("abcdefghijkl"), max_size=40), st.integers(1, 8), st.integers(0, 40))
def test_a_file_has_its_first_key_for_good_whatever_is_forgotten(files: list[str], remembered: int, at: int) -> None:
    shelf, places, known = Shelf(), Places(remembered), {}
    for number, file in enumerate(files):
        if number == at:
            places = Places(remembered)  # as after a restart
        key = shelf.place(places, file)
        assert known.setdefault(file, key) == key
