"""Bundles: all that a host of a stock image needs to be one of ours, in one file whose name is its own digest.

    packages/      what pip would install, and our own code, pruned of what no host needs
    models/        the built model (workers), or only what it costs (the others)
    units/         systemd's units
    bundle.json    what it is for, and which versions are in it

The same inputs make the same bytes, so an upload that is there already is known by its name.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from configparser import ConfigParser
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from packaging.utils import parse_wheel_filename

from app import speed
from app.deploy.wheels import Target, fetch, read_lock
from app.errors import ConfigurationError

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "docker" / "aws" / "host"
LOCK = ROOT / "docker" / "constraints.txt"
OURS = ("app", "tasks", "autoscaler", "web")

# Of gzip: half of 6's time, for 3 % more bytes.
LEVEL = 4
# Any date that all tools can say; what a file was made at is no part of what it is.
_EPOCH = 946684800
# botocore describes four hundred services; these are what a host calls.
_SERVICES = "ec2|logs|s3|sns|sqs|sso|sso-oidc|ssm|sts"
# What an engine writes beside a model that it has loaded, of the host that it runs on.
_OF_THIS_HOST = "measured.json"
_UNNEEDED = re.compile(
    rf"""
    (^|.*/)__pycache__/.* | .*\.py[cio] | .*\.pyx | .*\.pxd | .*/tests?/.* | .*\.dist-info/(RECORD|INSTALLER|REQUESTED)
    | openvino/(include|cmake|tools|torch|frontend/(jax|onnx|paddle|pytorch|tensorflow))/.*
    | openvino/libs/(cache\.json|libopenvino_(auto|hetero|auto_batch|intel_gpu|intel_npu)_plugin\.so)
    | openvino/libs/libopenvino_(c|(gguf|jax|onnx|paddle|pytorch|tensorflow|tensorflow_lite)_frontend)\.so.*
    | numpy/(_core/(include|lib)|f2py)/.*
    | (botocore|boto3)/(data/(?!({_SERVICES})/)[^/]+|examples)/.*
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Tier:
    """What a kind of host is: its extras of ours, its units, and whether it has a model."""

    name: str
    extras: tuple[str, ...]
    units: tuple[str, ...]
    model: bool


TIERS = {
    "worker": Tier("worker", ("worker",), ("elastiq-logs", "elastiq-worker"), model=True),
    "control": Tier("control", (), ("elastiq-logs", "elastiq-web", "elastiq-autoscaler"), model=False),
}


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle on this machine; ``key`` is its name in the software bucket, and ends in its SHA-256."""

    path: Path
    digest: str
    size: int

    @property
    def key(self) -> str:
        """Return the object's key."""
        return f"bundles/{self.path.name}"


def build(tier: Tier, target: Target, out: Path, *, wheels: Path, model: Path | None = None) -> Bundle:
    """Make the bundle of ``tier`` in the folder ``out``, unless it is there already.

    Args:
        tier: one of `TIERS`.
        target: what its hosts run.
        out: where it goes, as ``TIER-SHA256.tar.gz``.
        wheels: where fetched wheels are kept, in a folder for each target.
        model: the folder of the built model.

    Raises:
        ConfigurationError: a package is not locked or has no wheel, or the model is missing or another version's.
    """
    lock = read_lock(LOCK)
    found = fetch(_requirements(tier), target, lock, wheels / str(target))
    if tier.model:
        _check_model(model, lock)
    inputs = _digest_of_inputs(tier, target, found, model)
    note = out / f".{tier.name}-{target}.json"
    known = _noted(note, inputs)
    if known is None:
        known = _made(tier, target, found, model, out)
        note.write_text(json.dumps({"inputs": inputs, "name": known.path.name}))
    return known


def _noted(note: Path, inputs: str) -> Bundle | None:
    """Return the bundle that was made of the same inputs, if it is still there."""
    try:
        noted = json.loads(note.read_bytes())
        path = note.with_name(noted["name"])
        size = path.stat().st_size
    except (OSError, ValueError, LookupError, TypeError):
        return None
    digest = path.name.rpartition("-")[2].partition(".")[0]
    return Bundle(path, digest, size) if noted["inputs"] == inputs else None


def _digest_of_inputs(tier: Tier, target: Target, wheels: list[Path], model: Path | None) -> str:
    """Return a digest of all that the bundle is made of; a wheel is known by its name, a model by its manifest."""
    of = hashlib.sha256(f"{tier} {target}".encode())
    for wheel in wheels:
        of.update(f"{wheel.name} {wheel.stat().st_size}\n".encode())
    for name, body in _our_files(tier):
        of.update(f"{name} {len(body)}\n".encode() + body)
    if model and tier.model:
        of.update((model / "manifest.json").read_bytes())
    for name, body in _speed(tier, model):
        of.update(f"{name}\n".encode() + body)
    return of.hexdigest()


def _made(tier: Tier, target: Target, found: list[Path], model: Path | None, out: Path) -> Bundle:
    packages = dict(sorted((str(name), str(version)) for name, version in map(_named, found)))
    about = {"tier": tier.name, "python": target.python, "machine": target.machine, "packages": packages}
    about["model"] = model.name if tier.model and model else ""
    contents = dict(_contents(tier, found, model))
    contents["bundle.json"] = (json.dumps(about, indent=1) + "\n").encode()
    return _packed(tier, contents, out)


def _requirements(tier: Tier) -> list[str]:
    """Return what setup.cfg requires for ``tier``; what is installed here may be of another day."""
    setup = ConfigParser(interpolation=None)
    setup.read(ROOT / "setup.cfg")
    texts = [setup["options"]["install_requires"], *(setup["options.extras_require"][extra] for extra in tier.extras)]
    lines = [line.strip() for text in texts for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _check_model(model: Path | None, lock: dict[str, str]) -> None:
    manifest = model / "manifest.json" if model else None
    if model is None or manifest is None or not manifest.is_file():
        raise ConfigurationError(f"there is no built model {model or ''}; run `python -m tasks.engine build`")
    built_with = json.loads(manifest.read_bytes())["recipe"].get("openvino")
    if built_with != lock["openvino"]:
        raise ConfigurationError(
            f"the model in {model} was built with openvino {built_with}, and hosts get {lock['openvino']}: install "
            "that, or renew the lock by `make lock`, and build the model again"
        )


def _named(wheel: Path) -> tuple[str, str]:
    name, version, _, _ = parse_wheel_filename(wheel.name)
    return str(name), str(version)


def _contents(tier: Tier, wheels: Iterable[Path], model: Path | None) -> Iterator[tuple[str, bytes]]:
    """Yield every file of a bundle: its place, and what is in it."""
    for wheel in wheels:
        yield from _unpacked(wheel)
    yield from _our_files(tier)
    if model and tier.model:
        of_this_host = {f"models/{model.name}/{name}" for name in (speed.FILE, _OF_THIS_HOST)}
        yield from ((name, body) for name, body in _files(model, f"models/{model.name}") if name not in of_this_host)
    yield from _speed(tier, model)


def _speed(tier: Tier, model: Path | None) -> Iterator[tuple[str, bytes]]:
    """Yield what the model costs, by its build, if the tier is the autoscaler's and that is known."""
    path = model / speed.FILE if model and not tier.model else None
    if model and path and path.is_file():
        yield f"models/{model.name}/{speed.FILE}", path.read_bytes()


def _our_files(tier: Tier) -> Iterator[tuple[str, bytes]]:
    for package in OURS:
        yield from _files(ROOT / package, f"packages/{package}")
    for unit in tier.units:
        yield f"units/{unit}.service", (UNITS / f"{unit}.service").read_bytes()


def _unpacked(wheel: Path) -> Iterator[tuple[str, bytes]]:
    """Yield what a wheel installs where Python finds it, but for what no host needs; scripts and headers are not."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            place = re.sub(r"^[^/]+\.data/(purelib|platlib)/", "", name)
            if not name.endswith("/") and not re.match(r"[^/]+\.data/", place) and not _UNNEEDED.fullmatch(place):
                yield f"packages/{place}", archive.read(name)


def _files(folder: Path, place: str) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not _UNNEEDED.fullmatch(name):
            yield f"{place}/{name}", path.read_bytes()


def _packed(tier: Tier, contents: dict[str, bytes], out: Path) -> Bundle:
    out.mkdir(parents=True, exist_ok=True)
    raw = out / f".{tier.name}-{os.getpid()}.part"
    with raw.open("wb") as file:
        _write(file, contents)
    with raw.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    path = raw.rename(out / f"{tier.name}-{digest}.tar.gz")
    return Bundle(path, digest, path.stat().st_size)


def _write(file: BinaryIO, contents: dict[str, bytes]) -> None:
    with (
        gzip.GzipFile("", "wb", LEVEL, file, mtime=_EPOCH) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, body in sorted(contents.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.mode = len(body), _EPOCH, 0o644
            archive.addfile(entry, io.BytesIO(body))
