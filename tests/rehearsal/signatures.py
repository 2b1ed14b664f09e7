"""AWS's signature, version 4, from the side that checks it: who signed a request, and whether it is theirs."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote

_ALGORITHM = "AWS4-HMAC-SHA256"
_HEADER = re.compile(rf"{_ALGORITHM} Credential=([^,]+), *SignedHeaders=([^,]+), *Signature=([0-9a-f]+)")
# What S3 takes instead of a body's digest.
_UNSIGNED = ("UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came: the path and the query are as on the wire, the headers' names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Signed:
    """What a signature says of itself."""

    key: str
    date: str
    region: str
    service: str
    token: str
    headers: tuple[str, ...]
    signature: str


def read(request: Request) -> Signed | None:
    """Return what the header, or the query of a presigned address, says; None where it is not signed."""
    query = dict(parse_qsl(request.query, keep_blank_values=True))
    if found := _HEADER.match(request.headers.get("authorization", "")):
        credential, headers, signature = found.groups()
        token = request.headers.get("x-amz-security-token", "")
    elif "X-Amz-Signature" in query:
        credential, headers, signature = (
            query[f"X-Amz-{name}"] for name in ("Credential", "SignedHeaders", "Signature")
        )
        token = query.get("X-Amz-Security-Token", "")
    else:
        return None
    key, date, region, service, _ = credential.split("/")
    return Signed(key, date, region, service, token, tuple(headers.split(";")), signature)


def holds(request: Request, signed: Signed, secret: str) -> bool:
    """Return whether the signature was made with ``secret`` for this very request, its body included.

    Source: IAM User Guide, "Create a signed AWS API request".
    """
    presigned = "authorization" not in request.headers
    digest = request.headers.get("x-amz-content-sha256") or hashlib.sha256(request.body).hexdigest()
    if presigned:
        digest = "UNSIGNED-PAYLOAD"
    elif digest not in _UNSIGNED and digest != hashlib.sha256(request.body).hexdigest():
        return False
    path = quote(unquote(request.path), safe="/-_.~")
    pairs = sorted(
        (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
        for name, value in parse_qsl(request.query, keep_blank_values=True)
        if name != "X-Amz-Signature"
    )
    headers = [f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in signed.headers]
    canonical = "\n".join(
        [
            request.method,
            path if signed.service == "s3" else quote(path, safe="/-_.~"),
            "&".join(f"{name}={value}" for name, value in pairs),
            "".join(headers),
            ";".join(signed.headers),
            digest,
        ]
    )
    stamp = request.headers.get("x-amz-date") or dict(parse_qsl(request.query)).get("X-Amz-Date", "")
    scope = f"{signed.date}/{signed.region}/{signed.service}/aws4_request"
    text = f"{_ALGORITHM}\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    made = f"AWS4{secret}".encode()
    for part in (signed.date, signed.region, signed.service, "aws4_request", text):
        made = hmac.new(made, part.encode(), hashlib.sha256).digest()
    return hmac.compare_digest(made.hex(), signed.signature)
