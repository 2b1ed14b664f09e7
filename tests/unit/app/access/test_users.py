"""Users and their passwords."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.access.users import METHOD, REMEMBERED_S, Users, line
from app.errors import ConfigurationError
from tests.support.clock import Clock

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of one user."""
    path = tmp_path_factory.mktemp("users") / "users"
    path.write_text(f"# people\n\n{line('alice', PASSWORD)}\n")
    return path


def test_a_password_is_kept_by_scrypt_with_a_salt_of_its_own(file: Path) -> None:
    kept = file.read_text()
    assert f"alice:{METHOD}$" in kept
    assert PASSWORD not in kept
    assert line("alice", PASSWORD) not in kept


def test_only_the_right_password_of_a_user_is_right(file: Path) -> None:
    users = Users.of_file(str(file))
    assert users.check("alice", PASSWORD)
    assert not users.check("alice", PASSWORD + " ")
    assert not users.check("bob", PASSWORD)


def test_what_was_right_is_known_for_a_while_and_nothing_else_is(file: Path) -> None:
    clock = Clock(0)
    users = Users(dict([file.read_text().splitlines()[-1].split(":", 1)]), clock)
    assert not users.know("alice", PASSWORD)
    users.check("alice", PASSWORD)
    assert users.know("alice", PASSWORD)
    assert not users.know("alice", "another password")
    assert not users.know("bob", PASSWORD)
    clock.now += REMEMBERED_S
    assert not users.know("alice", PASSWORD)


@pytest.mark.parametrize("text", ["alice", "alice:plain", "alice:pbkdf2:sha256:1$a$b", "a b:scrypt:1:1:1$a$b"])
def test_another_line_is_an_error_that_says_which(text: str, tmp_path: Path) -> None:
    (tmp_path / "users").write_text(f"\n{text}\n")
    with pytest.raises(ConfigurationError, match="line 2 of"):
        Users.of_file(str(tmp_path / "users"))


def test_a_file_that_is_not_there_is_an_error_that_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="ELASTIQ_AUTH_USERS"):
        Users.of_file(str(tmp_path / "users"))


@pytest.mark.parametrize(("name", "password"), [("a:b", PASSWORD), ("", PASSWORD), ("alice", "short")])
def test_no_line_is_made_of_what_is_no_name_or_no_password(name: str, password: str) -> None:
    with pytest.raises(ConfigurationError):
        line(name, password)
