from __future__ import annotations

import inspect
import re

import pytest

from app import errors
from app.errors import ElastiqError

CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]


def drawn() -> dict[str, str]:
    """Return each class that the module's docstring draws, with the one that it hangs from."""
    parents: dict[str, str] = {}
    path: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"[ │├└─]*(?<=[ ─])([A-Z]\w+)(  |$)", line):
            column, name = found.start(1), found[1]
            path = [(at, above) for at, above in path if at < column]
            parents[name] = path[-1][1] if path else "Exception"
            path.append((column, name))
    return parents


def test_the_drawn_tree_is_the_tree() -> None:
    assert drawn() == {kind.__name__: kind.__base__.__name__ for kind in CLASSES}


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_is_caught_by_the_root_and_says_when_it_is_raised(kind: type[Exception]) -> None:
    assert issubclass(kind, ElastiqError)
    assert kind.__doc__


def test_nothing_that_is_wrong_for_good_is_ever_retried() -> None:
    assert not issubclass(errors.PermanentError, errors.TransientError)
    assert not issubclass(errors.ConfigurationError, errors.TransientError)
