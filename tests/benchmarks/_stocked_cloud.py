"""An embedded cloud whose bucket has so many objects from the start: ``_stocked_cloud.py FOLDER PORT BUCKET OBJECTS``.

They are alike, one byte each, and share one record in its memory: a million of them cost a second and 150 MB, where
as many uploads cost an hour.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from app.local import ministack_internals
from app.local.cloud import serve

# ministack's, of whoever signs with credentials that are no account's number.
ACCOUNT = "000000000000"
PREFIX = "photos/"


def main(folder: str, port: str, bucket: str, objects: str) -> None:
    """Be that cloud until SIGTERM."""
    load = ministack_internals.load

    def stocked() -> Callable[[], None]:
        run = load()
        _stock(bucket, int(objects))
        return run

    ministack_internals.load = stocked
    serve(Path(folder), "127.0.0.1", int(port))


def _stock(bucket: str, objects: int) -> None:
    from ministack.services import s3

    record = s3._build_object_record(b"x", {"content-type": "image/jpeg"})
    names = (f"{PREFIX}{at:07}.jpg" for at in range(objects))
    found = {"created": record["last_modified"], "region": None, "objects": dict.fromkeys(names, record)}
    s3._buckets._data[ACCOUNT, bucket] = found


if __name__ == "__main__":
    main(*sys.argv[1:])
