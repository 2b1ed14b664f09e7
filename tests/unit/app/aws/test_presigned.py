"""Forms that put one object of one size into a bucket, for ten minutes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime

import pytest

from app.aws.clients import Session
from app.aws.presigned import PresignedPosts
from app.errors import ConfigurationError
from app.settings import AwsSettings

NOW = datetime(2026, 11, 28, 10, 15, tzinfo=UTC)
KEY = "_staged/20261128T101530123Z-9f2c01ab/0123"


@pytest.fixture
def posts(monkeypatch: pytest.MonkeyPatch) -> PresignedPosts:
    monkeypatch.setattr("app.aws.presigned.session", lambda: Session(("AKID", "secret")))
    return PresignedPosts(AwsSettings(region="eu-central-1"), "photos")


@pytest.mark.parametrize(
    ("settings", "bucket", "url", "origin"),
    [
        (
            AwsSettings(region="eu-central-1"),
            "photos",
            "https://photos.s3.eu-central-1.amazonaws.com",
            "https://photos.s3.eu-central-1.amazonaws.com",
        ),
        (
            AwsSettings(region="eu-central-1"),
            "my.photos",
            "https://s3.eu-central-1.amazonaws.com/my.photos",
            "https://s3.eu-central-1.amazonaws.com",
        ),
        (
            AwsSettings(region="cn-north-1"),
            "photos",
            "https://photos.s3.cn-north-1.amazonaws.com.cn",
            "https://photos.s3.cn-north-1.amazonaws.com.cn",
        ),
        (
            AwsSettings(region="eu-central-1", endpoint_url="http://127.0.0.1:4566/"),
            "photos",
            "http://127.0.0.1:4566/photos",
            "http://127.0.0.1:4566",
        ),
    ],
)
def test_a_form_goes_to_the_bucket_in_its_region_by_a_name_that_certificates_are_good_for(
    settings: AwsSettings, bucket: str, url: str, origin: str
) -> None:
    posts = PresignedPosts(settings, bucket)
    assert (posts.url, posts.origin) == (url, origin)


def test_a_policy_allows_one_key_one_size_and_one_type_for_ten_minutes(posts: PresignedPosts) -> None:
    fields = posts.sign(KEY, 1234, NOW)
    policy = json.loads(base64.b64decode(fields["policy"]))
    assert policy["expiration"] == "2026-11-28T10:25:00Z"
    assert policy["conditions"][:4] == [
        {"bucket": "photos"},
        {"key": KEY},
        {"Content-Type": "application/octet-stream"},
        ["content-length-range", 1234, 1234],
    ]
    assert fields["key"] == KEY


def test_the_signature_is_aws_s_of_the_policy(posts: PresignedPosts) -> None:
    """Source: S3 API reference, "Calculating a signature" of browser-based uploads with POST."""
    fields = posts.sign(KEY, 1, NOW)
    _, day, region, service, end = fields["x-amz-credential"].split("/")
    made = b"AWS4secret"
    for part in (day, region, service, end, fields["policy"]):
        made = hmac.new(made, part.encode(), hashlib.sha256).digest()
    assert fields["x-amz-signature"] == made.hex()
    assert (region, service) == ("eu-central-1", "s3")


def test_without_credentials_it_says_what_is_missing(posts: PresignedPosts, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr("app.aws.presigned.session", Session)
    with pytest.raises(ConfigurationError, match="signing an upload to bucket 'photos'"):
        posts.sign(KEY, 1, NOW)
