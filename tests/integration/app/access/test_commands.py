"""`elastiq keys` and `elastiq password`, as an operator types them."""

from __future__ import annotations

import json
import subprocess
import sys

from app.access.keys import KeyStore, id_of
from app.access.users import Users
from app.aws.bucket import Bucket
from app.settings import Settings
from tests.support.command import ROOT, elastiq


def test_a_key_is_made_shown_once_listed_and_revoked(environment: dict[str, str]) -> None:
    settings = Settings.from_environment(environment)
    made = elastiq(
        "keys", "make", "alice", "--scopes", "submit,operate", "--expires", "2099-01-01", environment=environment
    )
    assert made.returncode == 0, made.stderr
    text = made.stdout.strip()
    id = id_of(text)
    assert id

    (kept,) = Bucket(settings.aws, settings.buckets.output).list("_keys/")
    found = Bucket(settings.aws, settings.buckets.output).get(kept["Key"])
    assert kept["Key"] == f"_keys/{id}.json"
    assert found
    assert text.removeprefix(f"elq_{id}_").encode() not in (found.body or b"")

    listed = elastiq("keys", "list", "--json", environment=environment)
    (row,) = map(json.loads, listed.stdout.splitlines())
    assert (row["id"], row["name"], row["scopes"]) == (id, "alice", ["operate", "submit"])
    assert (row["expires_at"][:10], row["revoked_at"]) == ("2099-01-01", None)
    assert text not in listed.stdout

    assert elastiq("keys", "revoke", id, environment=environment).returncode == 0
    key = KeyStore(settings).find(id)
    assert key
    assert key.revoked_at
    assert f"revoked {key.revoked_at:%Y-%m-%d}" in elastiq("keys", "list", environment=environment).stdout


def test_what_cannot_be_is_one_line_and_nothing_is_kept(environment: dict[str, str]) -> None:
    for wrong in (("alice", "--scopes", "rule"), ("a b",), ("alice", "--expires", "2001-01-01")):
        ended = elastiq("keys", "make", *wrong, environment=environment)
        assert ended.returncode == 2
        assert "Traceback" not in ended.stderr
        assert not ended.stdout
    assert not elastiq("keys", "list", environment=environment).stdout
    ended = elastiq("keys", "revoke", "0123456789abcdef", environment=environment)
    assert (ended.returncode, "no key" in ended.stderr) == (1, True)


def test_a_password_becomes_a_line_of_the_file_of_users() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "app.cli", "password", "bob"],
        cwd=ROOT, input="correct horse battery\n" * 2, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    name, _, hashed = said.strip().partition(":")
    assert name == "bob"
    assert Users({name: hashed}).check("bob", "correct horse battery")
