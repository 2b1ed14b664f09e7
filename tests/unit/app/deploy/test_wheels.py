"""Wheels for another machine: whose markers count, what is needed beside them, and what is refused."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from app.deploy.wheels import Target, fetch, read_lock
from app.errors import ConfigurationError

HERE = Target("3.12", "x86_64")


def wheel(folder: Path, name: str, *requires: str, tag: str = "py3-none-any") -> Path:
    """Make a wheel that needs others, as it lies in the folder once fetched."""
    path = folder / f"{name}-1.0-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        lines = [f"Requires-Dist: {need}" for need in requires]
        archive.writestr(
            f"{name}-1.0.dist-info/METADATA", "\n".join(["Metadata-Version: 2.1", f"Name: {name}", *lines])
        )
        archive.writestr(f"{name}/__init__.py", "")
    return path


def names(wheels: list[Path]) -> list[str]:
    return [path.name.partition("-")[0] for path in wheels]


def test_what_a_wheel_needs_comes_too_and_what_that_needs(tmp_path: Path) -> None:
    wheel(tmp_path, "one", "two>=1", "three")
    wheel(tmp_path, "two", "four")
    wheel(tmp_path, "three", "two")
    wheel(tmp_path, "four", "one")
    lock = dict.fromkeys(["one", "two", "three", "four"], "1.0")

    assert names(fetch(["one"], HERE, lock, tmp_path)) == ["four", "one", "three", "two"]


def test_the_markers_are_the_target_s_and_not_this_machine_s(tmp_path: Path) -> None:
    wheel(
        tmp_path, "one", "arm; platform_machine == 'aarch64'", "old; python_version < '3.12'", "linux; os_name != 'nt'"
    )
    for name in ("arm", "old", "linux"):
        wheel(tmp_path, name)
    lock = dict.fromkeys(["one", "arm", "old", "linux"], "1.0")

    assert names(fetch(["one"], Target("3.12", "x86_64"), lock, tmp_path)) == ["linux", "one"]
    assert names(fetch(["one"], Target("3.11", "aarch64"), lock, tmp_path)) == ["arm", "linux", "old", "one"]


def test_an_extra_s_needs_come_when_the_extra_is_asked_for(tmp_path: Path) -> None:
    wheel(tmp_path, "one", "two; extra == 'more'")
    wheel(tmp_path, "two")
    lock = dict.fromkeys(["one", "two"], "1.0")

    assert names(fetch(["one"], HERE, lock, tmp_path)) == ["one"]
    assert names(fetch(["one[more]"], HERE, lock, tmp_path)) == ["one", "two"]


def test_a_package_of_no_locked_version_is_refused_by_name(tmp_path: Path) -> None:
    wheel(tmp_path, "one", "two")

    with pytest.raises(ConfigurationError, match=r"no version of two is locked in docker/constraints\.txt"):
        fetch(["one"], HERE, {"one": "1.0"}, tmp_path)


def test_a_package_without_a_wheel_for_the_target_is_an_error_that_says_what_pip_says(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no wheels for python3\.12-x86_64 of elastiq-of-no-registry==1\.0"):
        fetch(["elastiq-of-no-registry"], HERE, {"elastiq-of-no-registry": "1.0"}, tmp_path)


def test_names_of_the_lock_are_normalised(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("# a comment\nHuggingFace_hub==2.4.0\nclick==8.5.1\n")

    assert read_lock(tmp_path / "lock") == {"huggingface-hub": "2.4.0", "click": "8.5.1"}


def test_a_lock_that_is_missing_says_whence_to_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="run this from a checkout"):
        read_lock(tmp_path / "lock")
