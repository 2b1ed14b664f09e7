"""The artifact: a folder with a compiled model and a manifest of all that running it needs. No torch here.

models/NAME/
    manifest.json    name, labels, preprocessing, recipe (what it was built from), sha256 of each file, what int8 loses
    model.xml        the graph: uint8 pixels (1, H, W, 3) in, probabilities (1, classes) out
    model.bin        its weights
    int8.xml         the same in int8, where that loses little enough; and int8.bin
    measured.json    no part of it: what each precision costs on the hosts that loaded it
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from app.errors import ConfigurationError

# Raise it when the manifest's or the graph's meaning changes: older artifacts are then built again.
FORMAT = 2
MANIFEST, GRAPH, INT8_GRAPH = "manifest.json", "model.xml", "int8.xml"
INTERPOLATIONS = ("bicubic", "bilinear", "nearest")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How an image becomes the model's input.

    Attributes:
        resize: pixels of the shorter side after resizing; None keeps the image's own size.
        crop: pixels of each side of the square cut from the middle; None cuts nothing.
        interpolation: one of `INTERPOLATIONS`.
        mean: of red, green and blue, in 0 to 1; it is subtracted from each pixel.
        std: the same's deviation, which divides the difference.
        longest: pixels of the longer side at most, where ``resize`` is None.
    """

    resize: int | None
    crop: int | None
    interpolation: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    longest: int = 1024

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            ValueError: a size or a deviation that is not above 0, or a crop that resizing does not leave room for.
        """
        if self.crop and self.crop > (self.resize or 0):
            raise ValueError("crop needs a resize that is at least as large")
        if any(size is not None and size < 1 for size in (self.resize, self.crop, self.longest)):
            raise ValueError("resize, crop and longest must be at least 1")
        if self.interpolation not in INTERPOLATIONS:
            raise ValueError(f"interpolation must be one of {', '.join(INTERPOLATIONS)}")
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise ValueError("mean and std must be three numbers each, std above 0")

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Preprocessing:
        """Read what ``dataclasses.asdict`` and JSON made of one.

        Raises:
            KeyError, TypeError, ValueError: it is not one.
        """
        return cls(**{**data, "mean": tuple(data["mean"]), "std": tuple(data["std"])})


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an artifact says of itself.

    Attributes:
        name: the model's.
        labels: class names in the order of the model's outputs.
        preprocessing: how an image becomes the input.
        recipe: what the artifact was built from; another recipe means another artifact.
        files: sha256 of each file, by name.
        int8: what came of judging int8: `int8.Verdict`.
    """

    name: str
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    recipe: dict[str, str]
    files: dict[str, str]
    int8: dict[str, Any]

    @property
    def fingerprint(self) -> str:
        """Return twelve hexadecimal digits that differ when anything in the artifact does."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]


def folder_of(models: Path, name: str) -> Path:
    """Return where the artifact of ``name`` is.

    Raises:
        ConfigurationError: it can't be a model's name.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} is not a model's name; run `python -m tasks.engine build efficientnet_lite0`"
        )
    return models / name


def read(folder: Path) -> Manifest | None:
    """Return the manifest of the artifact in ``folder``; None when there is none that this version understands."""
    try:
        data = json.loads((folder / MANIFEST).read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    if data.pop("format", None) != FORMAT:
        return None
    preprocessing = Preprocessing.from_json(data.pop("preprocessing"))
    return Manifest(labels=tuple(data.pop("labels")), preprocessing=preprocessing, **data)


def is_whole(folder: Path, manifest: Manifest) -> bool:
    """Return whether every file in ``folder`` is there and is what was built, by its hash."""
    files = manifest.files.items()
    return all((folder / name).is_file() and hash_of(folder / name) == sha256 for name, sha256 in files)


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of ``folder`` if the body succeeds, and vanishes if it fails."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    old = new.with_name(new.name + "-old")
    try:
        yield new
        new.chmod(0o755)
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def write(folder: Path, manifest: Manifest) -> None:
    """Write the manifest into ``folder``."""
    text = json.dumps({"format": FORMAT, **asdict(manifest)}, indent=1, ensure_ascii=False)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let one builder of ``folder`` at a time in; another one waits."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder.parent / f".{folder.name}.lock", os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def hash_of(path: Path) -> str:
    """Return the sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
