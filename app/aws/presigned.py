"""Presigned POSTs: forms by which somebody without credentials puts one object of one size into a bucket."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import urlsplit

from botocore.auth import S3SigV4PostAuth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import NoCredentialsError

from app.aws.clients import building, client, session
from app.aws.errors import translated
from app.settings import AwsSettings

# botocore renews credentials ten minutes before they expire at the latest; a form is good no longer than they are.
GOOD_FOR = timedelta(minutes=10)
# No browser shows or runs it, whoever gets to its address.
CONTENT_TYPE = "application/octet-stream"


class PresignedPosts:
    """Signs forms for one bucket. Safe to share between threads; it makes no call.

    Args:
        settings: the region and the endpoint; credentials come through boto3's own chain.
        bucket: the bucket's name.

    Attributes:
        url: where the forms go.
        origin: the same without a path, as browsers' policies have it.

    Raises:
        ConfigurationError: the region's name or AWS's own configuration files make no sense.
    """

    def __init__(self, settings: AwsSettings, bucket: str) -> None:
        meta = client("s3", settings).meta  # knows where S3 is in a region, and AWS's variables for that
        self._bucket, self._region = bucket, meta.region_name
        self.url = _address(str(meta.endpoint_url).rstrip("/"), bucket, own=bool(settings.endpoint_url))
        self.origin = "://".join(urlsplit(self.url)[:2])

    def sign(self, key: str, size: int, now: datetime) -> dict[str, str]:
        """Return the fields of a form that puts an object of ``size`` bytes under ``key``; the file goes behind them.

        It is good for `GOOD_FOR` from ``now`` (UTC) on, any number of times: what it puts may be replaced by it.

        Raises:
            ConfigurationError: there are no credentials.
        """
        fields = {"key": key, "Content-Type": CONTENT_TYPE}
        conditions = [{"bucket": self._bucket}, {"key": key}, {"Content-Type": CONTENT_TYPE}]
        policy = {
            "expiration": (now + GOOD_FOR).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "conditions": [*conditions, ["content-length-range", size, size]],
        }
        request = AWSRequest("POST", self.url)
        request.context.update({"s3-presign-post-fields": fields, "s3-presign-post-policy": policy})
        with translated(f"signing an upload to bucket {self._bucket!r}"):
            with building():
                credentials = session().core.get_credentials()
            if credentials is None:
                raise NoCredentialsError
            S3SigV4PostAuth(credentials.get_frozen_credentials(), "s3", self._region).add_auth(request)
        return fields


def _address(endpoint: str, bucket: str, *, own: bool) -> str:
    """Return a bucket's address: in the path where it is no AWS, or where no certificate is good for its name."""
    if own or "." in bucket:
        return f"{endpoint}/{bucket}"
    scheme, host = urlsplit(endpoint)[:2]
    return f"{scheme}://{bucket}.{host}"
