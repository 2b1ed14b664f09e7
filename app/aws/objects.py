"""One S3 bucket by obstore, at a fifth of what a call costs through boto3. Which way a call goes, `bucket` says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import obstore
from botocore.utils import get_environ_proxies
from obstore.auth.boto3 import Boto3CredentialProvider
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import S3Store

from app import aws
from app.aws.calls import calls
from app.aws.obstore_internals import failed
from app.settings import AwsSettings

# Of an object that is read piece by piece.
PIECE_BYTES = 256 * 1024
# Of a whole call, its body included.
_TIMEOUT = timedelta(seconds=30)
_RETRIES: Any = {"max_retries": 3, "retry_timeout": timedelta(seconds=60)}
# botocore renews credentials ten minutes before they expire at the latest.
_CREDENTIALS_FOR = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Found:
    """An object; ``body`` is None if it has more bytes than were asked for. By its ``etag`` it is told from others."""

    body: bytes | None
    metadata: dict[str, str]
    etag: str = ""


def make_store(settings: AwsSettings, name: str) -> S3Store | None:
    """Return the bucket as obstore's; None where it could not call, and where boto3 has to say what is missing."""
    endpoint = settings.endpoint_url
    session = aws.session().boto3
    # obstore would go to a loopback address through the environment's proxy.
    proxied = urlsplit(endpoint).hostname in aws.LOOPBACK and get_environ_proxies(endpoint)
    if proxied or session.get_credentials() is None:
        return None
    options: Any = {"timeout": _TIMEOUT, "connect_timeout": timedelta(seconds=5), "allow_http": bool(endpoint)}
    authorities = aws.session().core.get_config_variable("ca_bundle")
    if authorities and not endpoint.startswith("http:"):
        if not Path(authorities).is_file():
            return None
        options["root_certificate"] = Path(authorities).read_bytes()
    where: dict[str, Any] = {"endpoint": endpoint} if endpoint else {}
    return S3Store(
        name,
        **where,
        region=settings.region or session.region_name or aws.LAST_RESORT,
        virtual_hosted_style_request=not endpoint,
        checksum_algorithm="SHA256",
        client_options=options,
        retry_config=_RETRIES,
        credential_provider=Boto3CredentialProvider(session, ttl=_CREDENTIALS_FOR),
    )


def nameable(key: str) -> bool:
    """Return whether obstore can name ``key``; others it changes without a word, or refuses."""
    return key.isprintable() and not any(part in ("", ".", "..") for part in key.split("/"))


def get(store: S3Store, key: str, most_bytes: int | None) -> Found | None:
    """Return an object, its body only if that has no more than ``most_bytes``; None if there is none."""
    calls.count("s3_get")
    try:
        answer = obstore.get(store, key)
        fits = most_bytes is None or answer.meta["size"] <= most_bytes
        metadata = {str(name): str(value) for name, value in answer.attributes.items()}
        return Found(bytes(answer.bytes()) if fits else None, metadata, answer.meta["e_tag"] or "")
    except (BaseError, FileNotFoundError) as err:
        told = failed(err)
        if told.code in aws.NO_KEY:
            return None
        raise told from err


def opened(store: S3Store, key: str) -> Iterator[bytes] | None:
    """Return an object's bytes as they come; None if there is none."""
    calls.count("s3_get")
    try:
        return _streamed(obstore.get(store, key))
    except (BaseError, FileNotFoundError) as err:
        told = failed(err)
        if told.code in aws.NO_KEY:
            return None
        raise told from err


def _streamed(answer: obstore.GetResult) -> Iterator[bytes]:
    try:
        for piece in answer.stream(PIECE_BYTES):
            yield bytes(piece)
    except BaseError as err:
        raise failed(err) from err


def put(store: S3Store, key: str, body: bytes, attributes: Any, replace: bool) -> bool:
    """Store an object; return False, and change nothing, if there is one and ``replace`` is false."""
    calls.count("s3_put")
    try:
        # In one piece, so that its checksum is that of all of it.
        mode: Literal["overwrite", "create"] = "overwrite" if replace else "create"
        obstore.put(store, key, body, attributes=attributes, mode=mode, use_multipart=False)
    except AlreadyExistsError:
        return False
    except (BaseError, FileNotFoundError) as err:
        raise failed(err) from err
    return True
