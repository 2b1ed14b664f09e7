"""A proxy before the embedded cloud whose S3 encrypts with SSE-KMS: no ETag is a digest of an object's bytes."""

from __future__ import annotations

import hashlib

from tests.support.fault_proxy import FaultProxy


class KmsProxy(FaultProxy):
    """Forwards to ``target``; the ETags that come back look like digests, as S3's do, and are none."""

    def _forward(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        status, told, answer = super()._forward(method, path, headers, body)
        return status, {name: _encrypted(name, value) for name, value in told.items()}, answer


def _encrypted(name: str, value: str) -> str:
    return f'"{hashlib.md5(value.encode()).hexdigest()}"' if name.lower() == "etag" else value
