"""Builds an artifact when there is something to build: decides that without torch, and leaves the rest to `export`."""

from __future__ import annotations

import hashlib
import importlib.metadata
import time
from collections.abc import Callable
from pathlib import Path

from app import speed
from app.errors import ConfigurationError
from app.settings import Settings
from tasks.engine import artifact
from tasks.engine.artifact import Manifest

# What an artifact depends on, besides its settings: these packages and these modules of ours.
PACKAGES = ("openvino", "scikit-image", "timm", "torch", "torchvision")
MODULES = ("artifact.py", "export.py", "int8.py", "models.py", "quantize.py", "views.py")
Say = Callable[[str], None]


def build(name: str, settings: Settings, say: Say) -> Path:
    """Make the artifact of ``name``, unless a current one is there.

    Args:
        name: the model's.
        settings: where artifacts are kept; weights and labels that replace the model's own.
        say: is told each step as it begins.

    Returns:
        The artifact's folder.

    Raises:
        ConfigurationError: the model can't be built; the message says what to do.
    """
    folder = artifact.folder_of(settings.models, name)
    wanted = recipe(name, settings)
    with artifact.locked(folder):
        manifest = artifact.read(folder)
        if manifest and is_current(manifest.recipe, wanted) and artifact.is_whole(folder, manifest):
            say(f"{name} is built and current: {folder}")
            _measure(folder, manifest, settings, say)
            return folder
        began = time.monotonic()
        say(f"{name}: importing torch")
        from tasks.engine import int8
        from tasks.engine.export import export

        def step(what: str) -> None:
            say(f"{name}: {what}")

        with artifact.replacing(folder) as new:
            definition = export(name, settings, new, step)
            how, labels = definition.preprocessing, definition.labels
            judged = int8.add(new, how, labels, settings.engine.calibration, step)
            files = {path.name: artifact.hash_of(path) for path in sorted(new.iterdir())}
            manifest = Manifest(name, labels, how, wanted, files, judged)
            artifact.write(new, manifest)
        _measure(folder, manifest, settings, say)
        say(f"{name}: built in {time.monotonic() - began:.0f} s: {folder}")
        return folder


def _measure(folder: Path, manifest: Manifest, settings: Settings, say: Say) -> None:
    """Write down what the model costs here, if that is not known yet; nobody needs it to run the model."""
    if speed.read(folder) is not None:
        return
    from tasks.engine.measure import measure

    try:
        found = measure(folder, manifest, settings)
        found.write(folder)
    except (ConfigurationError, OSError) as err:
        say(f"{manifest.name}: not measured: {err}")
    else:
        say(f"{manifest.name}: {found.core_ms:.1f} core-ms an image in {found.precision} on {found.processor}")


def recipe(name: str, settings: Settings) -> dict[str, str]:
    """Return what an artifact built now would be built from: packages, our own code, weights and labels.

    Packages that are not installed are left out.

    Raises:
        ConfigurationError: the file of the weights or of the labels can't be read.
    """
    packages = {package: version for package in PACKAGES if (version := _version(package))}
    own = {"model": name, "builder": _builder(), "calibration": _calibration(settings.engine.calibration)}
    return {**own, **overrides(settings), **packages}


def overrides(settings: Settings) -> dict[str, str]:
    """Return the hash of each file that replaces something of the model's own; empty where none does.

    Raises:
        ConfigurationError: a file can't be read.
    """
    none = settings.engine.preprocessing == "none"
    return {
        "weights": _hash("ELASTIQ_WEIGHTS", settings.engine.weights),
        "labels": _hash("ELASTIQ_LABELS", settings.engine.labels),
        "preprocessing": "none" if none else _hash("ELASTIQ_PREPROCESSING", settings.engine.preprocessing),
    }


def is_current(had: dict[str, str], wanted: dict[str, str]) -> bool:
    """Return whether an artifact of the recipe ``had`` is what ``wanted`` would make.

    Only what ``wanted`` knows counts: a host without torch can't tell, and need not, which torch built its model.
    """
    return all(had.get(key) == value for key, value in wanted.items())


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _builder() -> str:
    sources = b"".join((Path(__file__).parent / module).read_bytes() for module in MODULES)
    return hashlib.sha256(sources).hexdigest()


def _calibration(folder: str) -> str:
    """Return a hash of what is in the folder, by names and sizes; its name where it is none."""
    if folder in ("", "none"):
        return folder
    found = sorted(Path(folder).rglob("*"))
    names = [f"{path.relative_to(folder)} {path.stat().st_size}" for path in found if path.is_file()]
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def _hash(variable: str, path: str) -> str:
    if not path:
        return ""
    try:
        return artifact.hash_of(Path(path))
    except OSError as err:
        raise ConfigurationError(f"{variable}={path} can't be read: {err}") from err
