"""An image's bytes: uploaded, or where its batch's source has them, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app import aws
from app.batches.record import BatchRecord
from app.batches.records import Records
from app.errors import ImageNotFound
from app.settings import Settings
from app.sources.images import Images
from app.sources.source import Source, key_of
from app.storage import Storage

BATCH, OTHER = "20261128T101530123Z-9f2c01ab", "20261128T101530123Z-9f2c01ac"


def images(config: Settings) -> Images:
    return Images(config, Storage(config), Records(config))


@pytest.fixture
def photos(config: Settings) -> str:
    """A bucket beside those of the system, with a photograph and something else."""
    name, s3 = f"{config.buckets.input}-photos", aws.client("s3", config.aws)
    s3.create_bucket(Bucket=name)
    for key in ("2024/cat.jpg", "private/key.pem"):
        s3.put_object(Bucket=name, Key=key, Body=key.encode())
    Records(config).make(BatchRecord(BATCH, source=Source(name, prefix="2024/").to_json()))
    return name


def test_an_image_of_a_source_is_read_where_it_is(config: Settings, photos: str) -> None:
    allowed = replace(config, buckets=replace(config.buckets, allowed=f"others, {photos}"))
    assert images(allowed).get_image(key_of(BATCH, "2024/cat.jpg")) == b"2024/cat.jpg"


def test_nothing_is_read_that_is_not_allowed_or_not_in_the_source(config: Settings, photos: str) -> None:
    with pytest.raises(ImageNotFound, match="source has no image"):
        images(config).get_image(key_of(BATCH, "2024/cat.jpg"))
    allowed = replace(config, buckets=replace(config.buckets, allowed=photos))
    with pytest.raises(ImageNotFound, match="source has no image"):
        images(allowed).get_image(key_of(BATCH, "private/key.pem"))


def test_what_was_uploaded_is_read_from_its_bucket_and_none_of_it_through_a_source(config: Settings) -> None:
    Storage(config).put_image(f"{OTHER}/cat.jpg", b"theirs", "image/jpeg")
    assert images(config).get_image(f"{OTHER}/cat.jpg") == b"theirs"
    Records(config).make(BatchRecord(BATCH, source=Source(config.buckets.input).to_json()))
    with pytest.raises(ImageNotFound):
        images(config).get_image(key_of(BATCH, f"{OTHER}/cat.jpg"))
