"""The contract of `app.storage.Storage`: what goes in comes out, under any key and label."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator

import boto3
import pytest
from botocore.config import Config

from app import aws
from app.domain import Classification, Failure, Prediction
from app.errors import (
    ConfigurationError,
    ImageExists,
    ImageNotFound,
    InvalidImage,
    InvalidKey,
    PermanentError,
    TransientError,
)
from app.local.cloud import free_port
from app.settings import Settings
from app.storage import MAX_KEY_BYTES, Storage
from tests.support.kms_proxy import KmsProxy

BATCH = "20261124T101530123Z-9f2c01ab"
HOSTILE_KEYS = [
    f'{BATCH}/../../x"><script>.jpg',
    f"{BATCH}/..",
    f"{BATCH}/./a//b.png",
    f"{BATCH}/a.png/../../../etc/passwd",
    "../../outside.png",
    "/absolute.png",
    f"{BATCH}/trailing/",
    f"{BATCH}/%2e%2e%2fescaped.png",
    f"{BATCH}/a+b?c=d&e#f;g.png",
    f"{BATCH}/new\nline\r\ttab\x00nul.png",
    f"{BATCH}/猫 ünïcödé 😀.png",
    f"{BATCH}/{'y' * 500}.png",
    "k" * MAX_KEY_BYTES,
]


@pytest.fixture
def storage(config: Settings) -> Storage:
    return Storage(config)


def classification(key: str, *labels: str) -> Classification:
    top5 = [Prediction(label, 0.9123456789 / (rank + 1)) for rank, label in enumerate(labels)]
    return Classification.of(key, top5, "efficientnet_lite0")


@pytest.mark.parametrize("key", HOSTILE_KEYS)
def test_an_image_comes_back_byte_for_byte_whatever_its_key(storage: Storage, key: str) -> None:
    storage.put_image(key, b"\x00\xff image", "image/png")
    storage.put_image("other", b"untouched", "image/png")

    assert storage.get_image(key) == b"\x00\xff image"
    assert storage.get_image("other") == b"untouched"


@pytest.mark.parametrize("key", HOSTILE_KEYS)
def test_an_outcome_comes_back_whatever_its_key(storage: Storage, key: str) -> None:
    storage.save(classification(key, "tabby, tabby cat", "tiger cat", "Egyptian cat", "lynx", "plastic bag"))

    assert storage.outcome(key) == classification(
        key, "tabby, tabby cat", "tiger cat", "Egyptian cat", "lynx", "plastic bag"
    )


@pytest.mark.parametrize("key", HOSTILE_KEYS)
def test_a_failure_comes_back_whatever_its_key(storage: Storage, key: str) -> None:
    storage.save(Failure.of(key, "cannot be decoded: 'é\n)'"))

    assert storage.outcome(key) == Failure.of(key, "cannot be decoded: 'é\n)'")


@pytest.mark.parametrize(
    "key",
    [
        "",
        "k" * (MAX_KEY_BYTES + 1),
        "é" * (MAX_KEY_BYTES // 2 + 1),
        "lone \ud800 surrogate",
        ".error",
        "b/cat.error",
        "_celery/a",
        "_batches/a",
    ],
    ids=[
        "empty",
        "too long",
        "too long in UTF-8",
        "not Unicode",
        "only .error",
        "ends in .error",
        "Celery's own",
        "records",
    ],
)
def test_a_key_that_no_image_can_have_is_refused_for_good(storage: Storage, key: str) -> None:
    with pytest.raises(InvalidKey, match="an image's key must"):
        storage.put_image(key, b"image", "image/png")
    with pytest.raises(InvalidKey):
        storage.get_image(key)


def test_a_failure_is_never_taken_for_the_result_of_another_image(storage: Storage) -> None:
    storage.save(Failure.of("b/cat", "broken"))

    assert storage.outcome("b/cat.error") is None


def test_the_text_of_a_result_is_exactly_filename_and_label(storage: Storage, config: Settings) -> None:
    storage.save(classification(f"{BATCH}/cat (1).jpg", "tabby, tabby cat", "lynx"))

    body = aws.client("s3", config.aws).get_object(Bucket=config.buckets.output, Key=f"{BATCH}/cat (1).jpg.txt")["Body"]
    assert body.read() == b"(cat (1).jpg, tabby, tabby cat)"


def test_the_text_of_a_failure_is_exactly_its_reason(storage: Storage, config: Settings) -> None:
    storage.save(Failure.of(f"{BATCH}/a.jpg", "the file is empty"))

    body = aws.client("s3", config.aws).get_object(Bucket=config.buckets.output, Key=f"{BATCH}/a.jpg.error.txt")["Body"]
    assert body.read() == b"the file is empty"


def test_labels_too_long_for_the_metadata_cost_only_the_last_of_the_top_five(storage: Storage) -> None:
    labels = [f"{rank}" + "長" * 100 for rank in range(5)]
    saved = classification("b/a.png", *labels)
    storage.save(saved)

    found = storage.outcome("b/a.png")

    assert isinstance(found, Classification)
    assert 0 < len(found.top5) < 5
    assert found == dataclasses.replace(saved, top5=saved.top5[: len(found.top5)])


def test_a_label_longer_than_all_metadata_is_kept_whole(storage: Storage) -> None:
    saved = classification("b/a.png", "長" * 5000)
    storage.save(saved)

    assert storage.outcome("b/a.png") == dataclasses.replace(saved, top5=())


def test_an_image_without_an_outcome_has_none(storage: Storage) -> None:
    assert storage.outcome("b/a.png") is None


def test_a_result_outranks_an_earlier_failure(storage: Storage) -> None:
    storage.save(Failure.of("b/a.png", "broken"))
    storage.save(classification("b/a.png", "lynx"))

    assert storage.outcome("b/a.png") == classification("b/a.png", "lynx")


def test_a_second_image_of_a_key_is_refused_and_the_first_stays(storage: Storage) -> None:
    storage.put_image("b/a.png", b"first", "image/png")

    with pytest.raises(ImageExists, match=r"b/a\.png"):
        storage.put_image("b/a.png", b"second", "image/png")
    assert storage.get_image("b/a.png") == b"first"


def test_the_same_image_put_twice_is_no_clash(storage: Storage) -> None:
    assert storage.put_image("b/a.png", b"first", "image/png")
    assert not storage.put_image("b/a.png", b"first", "image/png")
    assert not storage.put_image("b/a.png", io.BytesIO(b"first"), "image/png")

    assert storage.get_image("b/a.png") == b"first"


@pytest.fixture
def kms(config: Settings) -> Iterator[KmsProxy]:
    """An S3 that encrypts with SSE-KMS."""
    with KmsProxy(config.aws.endpoint_url) as proxy:
        yield proxy


@pytest.fixture
def encrypted(config: Settings, kms: KmsProxy) -> Storage:
    aws_ = dataclasses.replace(config.aws, endpoint_url=kms.endpoint_url)
    return Storage(dataclasses.replace(config, aws=aws_))


@pytest.mark.parametrize(
    ("key", "size"),
    [("b/a.png", 10), ("b//only boto3 can name it.png", 10), ("b/large.png", 9_000_000)],
    ids=["by obstore", "by boto3", "from a file"],
)
def test_the_same_image_put_twice_is_no_clash_where_an_etag_is_no_digest(
    encrypted: Storage, kms: KmsProxy, key: str, size: int
) -> None:
    body = b"image".ljust(size, b"!")

    assert encrypted.put_image(key, io.BytesIO(body), "image/png")
    assert kms.calls == {"PutObject": 1}
    assert not encrypted.put_image(key, io.BytesIO(body), "image/png")
    assert kms.calls == {"PutObject": 2, "HeadObject": 1}
    with pytest.raises(ImageExists):
        encrypted.put_image(key, b"other".ljust(size, b"!"), "image/png")
    assert encrypted.get_image(key) == body


def test_an_image_that_was_stored_without_a_checksum_is_compared_by_its_bytes(
    encrypted: Storage, kms: KmsProxy, config: Settings
) -> None:
    s3 = boto3.session.Session().client(
        "s3",
        region_name=config.aws.region,
        endpoint_url=config.aws.endpoint_url,
        config=Config(request_checksum_calculation="when_required", s3={"addressing_style": "path"}),
    )
    s3.put_object(Bucket=config.buckets.input, Key="b/old.png", Body=b"first")

    assert not encrypted.put_image("b/old.png", b"first", "image/png")
    with pytest.raises(ImageExists):
        encrypted.put_image("b/old.png", b"other", "image/png")
    read = kms.calls["GetObject"]
    with pytest.raises(ImageExists):
        encrypted.put_image("b/old.png", b"of another length", "image/png")
    assert kms.calls["GetObject"] == read


def test_an_image_is_replaced_when_asked(storage: Storage) -> None:
    storage.put_image("b/a.png", b"first", "image/png")
    storage.put_image("b/a.png", io.BytesIO(b"second"), "image/png", replace=True)

    assert storage.get_image("b/a.png") == b"second"


def test_a_missing_image_is_missing_for_good(storage: Storage) -> None:
    with pytest.raises(ImageNotFound, match=r"no image 'b/a\.png'"):
        storage.get_image("b/a.png")
    assert issubclass(ImageNotFound, PermanentError)


def test_an_object_larger_than_the_limit_is_not_read(environment: dict[str, str]) -> None:
    config = Settings.from_environment({**environment, "ELASTIQ_MAX_FILE_BYTES": "1000"})
    storage = Storage(config)
    storage.put_image("b/fits.png", bytes(1000), "image/png")
    storage.put_image("b/huge.png", bytes(1001), "image/png")

    assert len(storage.get_image("b/fits.png")) == 1000
    with pytest.raises(InvalidImage, match="more than 1,000 bytes"):
        storage.get_image("b/huge.png")


def test_a_key_that_looks_like_an_answer_of_s3_is_just_a_key(storage: Storage) -> None:
    key = "b/body: Some(<Code>AccessDenied</Code>).png"

    with pytest.raises(ImageNotFound):
        storage.get_image(key)
    storage.put_image(key, b"image", "image/png")
    assert storage.get_image(key) == b"image"


def test_a_large_file_is_stored_as_it_is_and_not_twice(storage: Storage) -> None:
    body = bytes(range(256)) * (9 * 4096)

    assert storage.put_image("b/large.png", io.BytesIO(body), "image/png")
    assert not storage.put_image("b/large.png", io.BytesIO(body), "image/png")
    assert storage.get_image("b/large.png") == body


def test_a_batch_lists_its_own_images_and_no_others(storage: Storage) -> None:
    for key in (f"{BATCH}/b 猫.png", f"{BATCH}/a\n.png", f"{BATCH}0/c.png", "d.png"):
        storage.put_image(key, b"12345", "image/png")

    found = list(storage.images(BATCH))

    assert [(image.key, image.size) for image in found] == [(f"{BATCH}/a\n.png", 5), (f"{BATCH}/b 猫.png", 5)]
    assert all(image.stored_at.tzinfo for image in found)


def test_a_batch_of_more_than_one_page_is_listed_whole(storage: Storage, config: Settings) -> None:
    s3 = aws.client("s3", config.aws)
    names = [f"{BATCH}/{number:04d}.png.txt" for number in range(1001)]
    for name in names:
        s3.put_object(Bucket=config.buckets.output, Key=name, Body=b"(x, y)")

    assert list(storage.outcomes(BATCH)) == names


def test_the_outcomes_of_a_batch_are_read_by_their_names(storage: Storage, config: Settings) -> None:
    storage.save(classification(f"{BATCH}/a.png", "lynx"))
    storage.save(Failure.of(f"{BATCH}/b.png", "broken"))
    aws.client("s3", config.aws).put_object(Bucket=config.buckets.output, Key=f"{BATCH}/notes.csv", Body=b"\xff")

    found = {name: storage.read_outcome(name) for name in storage.outcomes(BATCH)}

    assert found == {
        f"{BATCH}/a.png.txt": classification(f"{BATCH}/a.png", "lynx"),
        f"{BATCH}/b.png.error.txt": Failure.of(f"{BATCH}/b.png", "broken"),
        f"{BATCH}/notes.csv": None,
    }
    assert storage.read_outcome(f"{BATCH}/gone.png.txt") is None


def test_a_missing_bucket_says_to_provision(environment: dict[str, str]) -> None:
    nowhere = {"ELASTIQ_INPUT_BUCKET": "no-such-input", "ELASTIQ_OUTPUT_BUCKET": "no-such-output"}
    storage = Storage(Settings.from_environment({**environment, **nowhere}))

    with pytest.raises(ConfigurationError, match=r"'no-such-input'.* run `elastiq provision`"):
        storage.put_image("b/a.png", b"image", "image/png")
    with pytest.raises(ConfigurationError, match="no-such-input"):
        storage.get_image("b/a.png")
    with pytest.raises(ConfigurationError, match="no-such-input"):
        list(storage.images(BATCH))
    with pytest.raises(ConfigurationError, match="no-such-output"):
        storage.save(Failure.of("b/a.png", "broken"))
    with pytest.raises(ConfigurationError, match="no-such-output"):
        storage.outcome("b/a.png")


@pytest.mark.timeout(60)
def test_an_unreachable_endpoint_is_an_error_that_may_pass(environment: dict[str, str]) -> None:
    nowhere = {**environment, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"}
    storage = Storage(Settings.from_environment(nowhere))

    with pytest.raises(TransientError, match=r"storing 'b/a\.png'"):
        storage.put_image("b/a.png", b"image", "image/png")


def test_all_batches_are_listed_once_by_id_from_one_on(storage: Storage) -> None:
    ids = [f"2026112{day}T101530123Z-9f2c01ab" for day in range(1, 5)]
    storage.put_image(f"{ids[1]}/2023/a.png", b"image", "image/png")
    storage.save(Failure.of(f"{ids[1]}/2023/a.png", "cut short"))
    storage.put_image(f"{ids[1]}/b.png", b"image", "image/png")
    storage.save(Failure.of(f"{ids[0]}/rejected/0123456789ab/c.png", "no image"))
    storage.put_image(f"{ids[3]}/d.png", b"image", "image/png")
    storage.put_image("no batch/d.png", b"image", "image/png")
    assert list(storage.batches()) == [ids[0], ids[1], ids[3]]
    assert list(storage.batches(ids[1])) == [ids[1], ids[3]]
    assert list(storage.batches(ids[2])) == [ids[3]]
