"""How a call fails, in the terms of kombu and of Elastiq at once: who knows either catches it."""

from __future__ import annotations

import pytest
from kombu.exceptions import OperationalError

from app.errors import ConfigurationError, ElastiqError, TransientError
from app.sqs.errors import QueueMissing, Refused, Unavailable


@pytest.mark.parametrize("kind", [Unavailable, Refused, QueueMissing])
def test_each_is_an_error_of_kombu_and_of_ours(kind: type[Exception]) -> None:
    assert issubclass(kind, OperationalError)
    assert issubclass(kind, ElastiqError)


def test_only_what_may_pass_is_transient() -> None:
    assert issubclass(Unavailable, TransientError)
    assert not issubclass(Unavailable, ConfigurationError)
    for kind in (Refused, QueueMissing):
        assert issubclass(kind, ConfigurationError)
        assert not issubclass(kind, TransientError)


def test_who_handles_refusals_handles_a_missing_queue() -> None:
    assert issubclass(QueueMissing, Refused)
