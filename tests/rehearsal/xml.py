"""Answers of AWS's query protocols, written by the same models that boto3 reads them with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

import botocore.session

_LOADED = botocore.session.get_session()


def answer(service: str, action: str, content: dict[str, Any]) -> bytes:
    """Return the body of a successful answer."""
    operation = _LOADED.get_service_model(service).operation_model(action)
    shape = operation.output_shape
    inner = _members(shape, content) if shape is not None else ""
    wrapper = shape.serialization.get("resultWrapper") if shape is not None else None
    if wrapper:
        inner = f"<{wrapper}>{inner}</{wrapper}>"
    return f"<{action}Response><requestId>rehearsal</requestId>{inner}</{action}Response>".encode()


def error(code: str, message: str) -> bytes:
    """Return the body of an error, which EC2's parser and those of the other query protocols both read."""
    told = f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
    return f"<Response><Errors>{told}</Errors>{told}<RequestID>rehearsal</RequestID></Response>".encode()


def _members(shape: Any, content: dict[str, Any]) -> str:
    parts = []
    for name, member in shape.members.items():
        if content.get(name) is not None:
            tag = member.serialization.get("name", name)
            parts.append(_element(tag, member, content[name]))
    return "".join(parts)


def _element(tag: str, shape: Any, value: Any) -> str:
    if shape.type_name == "list":
        item = shape.member.serialization.get("name", "member")
        if shape.serialization.get("flattened"):
            return "".join(_element(tag, shape.member, one) for one in value)
        return f"<{tag}>{''.join(_element(item, shape.member, one) for one in value)}</{tag}>"
    if shape.type_name == "structure":
        return f"<{tag}>{_members(shape, value)}</{tag}>"
    return f"<{tag}>{_text(value)}</{tag}>"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return escape(str(value))
