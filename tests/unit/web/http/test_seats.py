"""How many requests of a kind may be held open at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from app.settings import Settings, WebSettings
from web.application import create_app
from web.http.problems import Busy
from web.http.seats import Seats
from web.tier import EXTENSION, Tier


def test_who_finds_no_seat_is_told_why_and_takes_none() -> None:
    seats = Seats(2, "two are here already")
    seats.take()
    seats.take()
    for _ in range(3):
        with pytest.raises(Busy, match="two are here already"):
            seats.take()
    assert seats.held == 2
    seats.release()
    seats.take()


def test_a_seat_is_given_back_whatever_happens_on_it() -> None:
    seats = Seats(1, "full")

    def broken() -> None:
        with seats.taken():
            assert seats.held == 1
            raise ValueError("broken")

    for _ in range(3):
        with pytest.raises(ValueError, match="broken"):
            broken()
    assert seats.held == 0


def test_who_was_refused_gives_back_no_seat_of_another() -> None:
    seats = Seats(1, "full")
    with seats.taken():
        with pytest.raises(Busy), seats.taken():
            pytest.fail("there was no seat")
        assert seats.held == 1


def test_of_many_who_come_at_once_as_many_get_seats_as_there_are() -> None:
    seats = Seats(7, "full")

    with ThreadPoolExecutor(32) as pool:
        assert sum(pool.map(lambda _: found(seats), range(500))) == 7


def found(seats: Seats) -> bool:
    """Take a seat if there is one; return whether there was."""
    try:
        seats.take()
    except Busy:
        return False
    return True


def seats_of(tier: Tier) -> dict[str, int]:
    """Return how many seats there are of each kind, counted by taking them."""
    kinds = {
        "openers": tier.openers,
        "readers": tier.readers,
        "bodies": tier.bodies,
        "previews": tier.previews._seats,
    }
    for seats in kinds.values():
        while found(seats):
            pass
    return {name: seats.held for name, seats in kinds.items()}


@pytest.mark.parametrize("threads", [8, 9, 16, 20, 31, 32, 40, 64, 100, 256, 4096])
def test_however_many_threads_there_are_each_kind_has_a_seat_and_a_thread_is_left(threads: int) -> None:
    seats = seats_of(tier_of(threads))
    assert min(seats.values()) >= 1
    assert sum(seats.values()) < threads


def test_with_the_default_number_of_threads_a_hundred_requests_can_wait_for_their_labels() -> None:
    tier = tier_of(WebSettings().threads)
    seats = seats_of(tier)
    waiters = sum(found(tier.waiters) for _ in range(seats["bodies"]))
    assert 100 <= waiters < seats["bodies"], "and uploads find a seat all the same"
    assert WebSettings().threads - sum(seats.values()) >= 12, "threads that only the page takes"


def tier_of(threads: int) -> Tier:
    tier = create_app(Settings(web=WebSettings(threads=threads))).extensions[EXTENSION]
    assert isinstance(tier, Tier)
    return tier
