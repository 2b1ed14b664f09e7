"""Where Flower answers beside `elastiq up`, and its arguments however they are written."""

from __future__ import annotations

import pytest

from app.errors import ConfigurationError
from app.local.flower import joined, place


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ((), []),
        (("--port=5555",), ["--port=5555"]),
        (("--port", "5555", "--address", "127.0.0.1"), ["--port=5555", "--address=127.0.0.1"]),
        (("--debug", "--port", "5555"), ["--debug", "--port=5555"]),
        (("--port=5555", "--basic-auth", "me:a=b"), ["--port=5555", "--basic-auth=me:a=b"]),
    ],
)
def test_a_value_after_a_blank_is_taken_as_one_after_an_equals_sign(given: tuple[str, ...], taken: list[str]) -> None:
    assert joined(given) == taken


def test_it_is_on_loopback_with_a_password_of_this_run() -> None:
    one, other = place({}), place({})

    password = one.environment["FLOWER_BASIC_AUTH"]
    assert one.address == f"http://{password}@127.0.0.1:5555"
    assert password != other.environment["FLOWER_BASIC_AUTH"]
    assert password not in repr(one)


@pytest.mark.parametrize("way", ["FLOWER_BASIC_AUTH", "FLOWER_AUTH", "FLOWER_UNAUTHENTICATED_API"])
def test_who_may_use_it_is_left_to_flowers_own_settings(way: str) -> None:
    there = place({way: "x:y", "FLOWER_PORT": "7000", "FLOWER_ADDRESS": "127.0.0.2"})

    assert there.address == "http://127.0.0.2:7000"
    assert there.environment == {"FLOWER_ADDRESS": "127.0.0.2", "FLOWER_PORT": "7000"}


@pytest.mark.parametrize("text", ["0", "65536", "http", "-1", "\u0661"])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="FLOWER_PORT"):
        place({"FLOWER_PORT": text})
