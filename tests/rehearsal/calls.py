"""What a request asks of AWS: its action and its parameters, by each service's own protocol."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

from tests.rehearsal.signatures import Request

# Parts of parameters that say nothing of what a call is about, and may be large.
_BULK = ("Entries", "PublishBatchRequestEntries", "logEvents", "MessageBody", "Message", "TemplateBody", "UserData")
_OPERATION = re.compile(r"/service/\w+/operation/(\w+)")
# S3's operations on a bucket or an object that a word of the query names.
_SUBRESOURCES = {
    "delete": "DeleteObjects",
    "location": "GetBucketLocation",
    "versions": "ListObjectVersions",
    "uploads": "CreateMultipartUpload",
    "uploadId": "UploadPart",
}


@dataclass(slots=True)
class Call:
    """One call, as the account saw it.

    Attributes:
        at: when it came, in monotonic seconds; ``seconds`` later it was answered.
        role: the name of the role that signed it; empty where nobody known did.
        session: the role's session, for a host its instance's id.
        service: as in the signature's scope.
        action: the API's word.
        parameters: what it is about; long ones left out.
        status: HTTP's.
        tags: of each instance that it is about, as they were when it came.
    """

    at: float
    role: str
    session: str
    service: str
    action: str
    parameters: dict[str, Any]
    status: int = 0
    seconds: float = 0
    tags: dict[str, dict[str, str]] = field(default_factory=dict)


def asked(service: str, request: Request) -> tuple[str, dict[str, Any]]:
    """Return a request's action and all of its parameters."""
    if service == "s3":
        return _s3(request)
    if target := request.headers.get("x-amz-target"):
        return target.rsplit(".", 1)[-1], json.loads(request.body or b"{}")
    if operation := _OPERATION.search(request.path):
        return operation[1], {}
    flat = dict(parse_qsl(request.body.decode() or request.query, keep_blank_values=True))
    return flat.get("Action", "?"), nested(flat)


def short(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return parameters without what is in bulk."""
    return {name: value for name, value in parameters.items() if name not in _BULK}


def nested(flat: dict[str, str]) -> dict[str, Any]:
    """Return parameters of the query protocol as they were meant: ``A.1.B=c`` is a list A whose first has a B."""
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        place = tree
        *path, last = [part for part in name.split(".") if part != "member"]
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    found: dict[str, Any] = _listed(tree)
    return found


def _listed(tree: Any) -> Any:
    if not isinstance(tree, dict):
        return tree
    if tree and all(name.isdigit() for name in tree):
        return [_listed(tree[name]) for name in sorted(tree, key=int)]
    return {name: _listed(value) for name, value in tree.items()}


def _s3(request: Request) -> tuple[str, dict[str, Any]]:
    bucket, _, key = unquote(request.path).lstrip("/").partition("/")
    query = dict(parse_qsl(request.query, keep_blank_values=True))
    parameters = {name: value for name, value in (("Bucket", bucket), ("Key", key)) if value}
    if "prefix" in query:
        parameters["Prefix"] = query["prefix"]
    if "if-match" in request.headers:
        parameters["IfMatch"] = "yes"
    if b"<VersionId>" in request.body or "versionId" in query:
        parameters["VersionId"] = "yes"
    named = next((word for name, word in _SUBRESOURCES.items() if name in query), "")
    if named == "UploadPart" and request.method == "POST":
        named = "CompleteMultipartUpload"
    elif named == "UploadPart" and request.method == "DELETE":
        named = "AbortMultipartUpload"
    if named:
        return named, parameters
    verb = {"GET": "Get", "HEAD": "Head", "PUT": "Put", "POST": "Post", "DELETE": "Delete"}[request.method]
    if key:
        return ("CopyObject" if "x-amz-copy-source" in request.headers else f"{verb}Object"), parameters
    if not bucket:
        return "ListBuckets", parameters
    if request.method == "GET" and not set(query) - {
        "list-type",
        "prefix",
        "delimiter",
        "max-keys",
        "start-after",
        "continuation-token",
        "encoding-type",
        "fetch-owner",
        "marker",
        "x-id",
    }:
        return "ListObjectsV2", parameters
    words = [word for word in query if word not in ("x-id", "x-amz-expected-bucket-owner")]
    words = "".join(part.capitalize() for word in words for part in re.split("(?=[A-Z])", word))
    return f"{verb}Bucket{words}", parameters
