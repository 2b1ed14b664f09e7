"""What is read from obstore's errors, whose text may be another in a version to come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import obstore
import pytest
from obstore.exceptions import BaseError

from app.aws.objects import make_store
from app.aws.obstore_internals import failed
from app.settings import Settings
from tests.support.fault_proxy import FaultProxy

# What it names by its own words looks like an answer of S3's.
KEY = "b/body: Some(<Code>NotThis</Code>).png"
DIFFERS = f"obstore {version('obstore')} differs: its errors do not end in the answer's body any more"


@pytest.fixture
def proxy(config: Settings) -> Iterator[FaultProxy]:
    with FaultProxy(config.aws.endpoint_url) as proxy:
        yield proxy


@pytest.fixture
def store(config: Settings, proxy: FaultProxy) -> Any:
    return make_store(replace(config.aws, endpoint_url=proxy.endpoint_url), config.buckets.input)


def read(store: Any) -> object:
    return obstore.get(store, KEY)


def write(store: Any) -> object:
    return obstore.put(store, KEY, b"image", use_multipart=False)


@pytest.mark.parametrize(("call", "action"), [(read, "GetObject"), (write, "PutObject")], ids=["get", "put"])
@pytest.mark.parametrize(("fault", "code"), [("403", "AccessDenied"), ("503", "ServiceUnavailable")])
def test_an_error_has_the_code_of_the_answer(
    store: Any, proxy: FaultProxy, call: Callable[[Any], object], action: str, fault: str, code: str
) -> None:
    proxy.fault(action, fault)
    with pytest.raises(BaseError) as error:
        call(store)
    assert failed(error.value).code == code, DIFFERS


def test_an_object_that_is_missing_is_told_from_a_bucket_that_is(store: Any, config: Settings) -> None:
    with pytest.raises((BaseError, FileNotFoundError)) as error:
        read(store)
    assert failed(error.value).code == "NoSuchKey", DIFFERS
    with pytest.raises((BaseError, FileNotFoundError)) as error:
        read(make_store(config.aws, "no-such-bucket-here"))
    assert failed(error.value).code == "NoSuchBucket", DIFFERS


def test_a_connection_that_breaks_is_told_by_the_kind_of_the_error(store: Any, proxy: FaultProxy) -> None:
    proxy.fault("PutObject", "reset")
    with pytest.raises(BaseError) as error:
        write(store)
    assert failed(error.value).code == "GenericError", DIFFERS
