"""From errors to HTTP."""

from __future__ import annotations

from http import HTTPStatus

import pytest

from app import errors
from app.errors import ElastiqError
from web.http.problems import status_of


class OfItsOwn(errors.TransientError):
    """An error that a module made for itself."""


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.InvalidImage("x"), HTTPStatus.UNPROCESSABLE_ENTITY),
        (errors.ImageNotFound("x"), HTTPStatus.NOT_FOUND),
        (errors.InvalidKey("x"), HTTPStatus.BAD_REQUEST),
        (errors.ConfigurationError("x"), HTTPStatus.INTERNAL_SERVER_ERROR),
        (OfItsOwn("x"), HTTPStatus.SERVICE_UNAVAILABLE),
        (ElastiqError("x"), HTTPStatus.INTERNAL_SERVER_ERROR),
    ],
)
def test_the_nearest_class_in_the_table_says_the_status(error: ElastiqError, status: HTTPStatus) -> None:
    assert status_of(error) == status
