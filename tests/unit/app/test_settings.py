from __future__ import annotations

import re
from dataclasses import Field, FrozenInstanceError, fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import ConfigurationError
from app.settings import SECTIONS, Settings

SECTION_OF = {field: name for name, section in SECTIONS.items() for field in fields(section)}
FIELDS = tuple(SECTION_OF)
NUMBERS = [field for field in FIELDS if type(field.default) in (int, float)]
FLAGS = [field for field in FIELDS if type(field.default) is bool]
BOUNDS = [
    (field, bound, step)
    for field in NUMBERS
    for bound, step in (("low", -1), ("high", 1))
    if field.metadata.get(bound) is not None
]
DOCUMENT = Path(__file__).parents[3] / "docs" / "settings.md"


def named(field: Field[Any] | object) -> str:
    return field.metadata["variable"] if isinstance(field, Field) else str(field)


def another(number: Field[Any]) -> int:
    default = int(number.default)
    return default - 1 if default == number.metadata.get("high") else default + 1


def shown(default: object) -> str:
    if isinstance(default, bool):
        return f"`{default:d}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`" if default != "" else ""


def test_an_empty_environment_gives_the_defaults() -> None:
    assert Settings.from_environment({}) == Settings()


def test_an_empty_variable_counts_as_unset() -> None:
    assert Settings.from_environment({field.metadata["variable"]: "" for field in FIELDS}) == Settings()


def test_every_setting_is_read_from_its_own_variable() -> None:
    others = {
        "AWS_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
        "ELASTIQ_QUEUE_URL": "http://127.0.0.1:4566/000000000000/q",
        "ELASTIQ_SOURCE_BUCKETS": "photos, archive",
        "ELASTIQ_DIRECT_UPLOADS": "https://images.example.com",
        "ELASTIQ_BULK_QUEUE_URL": "http://127.0.0.1:4566/000000000000/q-bulk",
        "ELASTIQ_TOPIC_ARN": "arn:aws:sns:eu-central-1:000000000000:t",
        "ELASTIQ_COMPLETION_TOPIC_ARN": "arn:aws:sns:eu-central-1:000000000000:c.fifo",
        "ELASTIQ_AUTH": "keys,basic",
        "ELASTIQ_OIDC_ISSUER": "https://people.example/realm",
        "ELASTIQ_COOKIE_SECRET": "x" * 32,
        "ELASTIQ_LIMITS_STORAGE": "redis://127.0.0.1:6379",
        "ELASTIQ_LOG_FORMAT": "json",
        "ELASTIQ_LOG_STREAM": "stdout",
        "ELASTIQ_ENGINE": "torch",
        "ELASTIQ_PRECISION": "fp32",
        **{named(field): str(another(field)) for field in NUMBERS},
        **{named(field): str(int(not field.default)) for field in FLAGS},
    }
    environment = {named(field): f"x{number}x" for number, field in enumerate(FIELDS)} | others

    found = Settings.from_environment(environment)

    for field in FIELDS:
        value = shown(getattr(getattr(found, SECTION_OF[field]), field.name)).strip("`")
        assert value in (
            environment[named(field)],
            environment[named(field)] + ".0",
        )


def test_there_is_a_bulk_queue_unless_the_task_queue_is_given_without_one() -> None:
    url, bulk_url = "http://127.0.0.1:4566/0/q", "http://127.0.0.1:4566/0/b"
    assert Settings.from_environment({"ELASTIQ_QUEUE": "q"}).queue.bulk == "q-bulk"
    assert not Settings.from_environment({"ELASTIQ_QUEUE_URL": url}).queue.bulk
    both = {"ELASTIQ_QUEUE_URL": url, "ELASTIQ_BULK_QUEUE_URL": bulk_url}
    assert Settings.from_environment(both).queue.bulk == "elastiq-tasks-bulk"
    with pytest.raises(ConfigurationError, match=r"ELASTIQ_BULK_QUEUE_URL is set, and ELASTIQ_QUEUE_URL is not"):
        Settings.from_environment({"ELASTIQ_BULK_QUEUE_URL": bulk_url})


def test_no_two_settings_share_a_variable() -> None:
    assert len({named(field) for field in FIELDS}) == len(FIELDS)


def test_the_region_may_come_by_its_other_name_and_aws_region_wins() -> None:
    assert Settings.from_environment({"AWS_DEFAULT_REGION": "eu-west-1"}).aws.region == "eu-west-1"
    both = {"AWS_DEFAULT_REGION": "eu-west-1", "AWS_REGION": "eu-north-1"}
    assert Settings.from_environment(both).aws.region == "eu-north-1"


@pytest.mark.parametrize("field", NUMBERS, ids=named)
@pytest.mark.parametrize("text", ["many", "1,000", "0x10", "nan", "--1"])
def test_a_number_that_is_none_is_an_error_that_names_the_variable(field: Field[Any], text: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(f"{named(field)}={text!r}")):
        Settings.from_environment({named(field): text})


@pytest.mark.parametrize("field", FLAGS, ids=named)
@pytest.mark.parametrize(
    ("text", "value"), [("1", True), ("0", False), ("true", True), ("No", False), ("on", True), ("OFF", False)]
)
def test_a_flag_is_a_bool_in_every_usual_spelling(field: Field[Any], text: str, value: bool) -> None:
    found = Settings.from_environment({named(field): text})
    assert getattr(getattr(found, SECTION_OF[field]), field.name) is value


@pytest.mark.parametrize("field", FLAGS, ids=named)
def test_a_flag_that_is_none_is_an_error_that_names_the_variable(field: Field[Any]) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(f"{named(field)}='2' is not 1 or 0")):
        Settings.from_environment({named(field): "2"})


@pytest.mark.parametrize(("field", "bound", "step"), BOUNDS, ids=named)
def test_a_number_is_taken_up_to_its_bound_and_not_beyond(field: Field[Any], bound: str, step: int) -> None:
    limit = field.metadata[bound]

    Settings.from_environment({named(field): str(limit)})
    with pytest.raises(ConfigurationError, match=rf"{named(field)}='.*' must be at (least|most) {limit}"):
        Settings.from_environment({named(field): str(limit + step)})


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("AWS_REGION", "Frankfurt am Main"),
        ("AWS_DEFAULT_REGION", "eu_central_1"),
        ("AWS_ENDPOINT_URL", "127.0.0.1:4566"),
        ("AWS_ENDPOINT_URL", "file:///etc/passwd"),
        ("ELASTIQ_INPUT_BUCKET", "My_Bucket"),
        ("ELASTIQ_INPUT_BUCKET", "ab"),
        ("ELASTIQ_OUTPUT_BUCKET", "-results"),
        ("ELASTIQ_OUTPUT_BUCKET", "b" * 64),
        ("ELASTIQ_QUEUE", "tasks.fifo"),
        ("ELASTIQ_QUEUE", "q" * 76),
        ("ELASTIQ_QUEUE", "tasks\n"),
        ("ELASTIQ_LOG_FORMAT", "xml"),
        ("ELASTIQ_AUTH", "none"),
        ("ELASTIQ_COOKIE_SECRET", "x" * 31),
        ("ELASTIQ_AUTH", "keys,off"),
    ],
)
def test_a_text_of_the_wrong_form_is_an_error_that_says_the_right_one(variable: str, text: str) -> None:
    name = "AWS_REGION" if variable == "AWS_DEFAULT_REGION" else variable
    with pytest.raises(ConfigurationError, match=f"^{name}(={re.escape(repr(text))})? must be "):
        Settings.from_environment({variable: text})


@pytest.mark.parametrize("field", [field for field in FIELDS if field.metadata["secret"]], ids=named)
def test_a_secret_is_in_no_error_and_in_no_settings_that_are_printed(field: Field[Any]) -> None:
    variable = field.metadata["variable"]
    for told in ("hush", "hush" * 10, "redis://:hush@host"):
        try:
            said = repr(Settings.from_environment({variable: told}))
        except ConfigurationError as error:
            said = str(error)
            assert variable in said
        assert "hush" not in said


def test_whatever_is_called_a_secret_is_kept_as_one() -> None:
    named_so = {field.metadata["variable"] for field in FIELDS if "SECRET" in field.metadata["variable"]}
    assert named_so <= {field.metadata["variable"] for field in FIELDS if field.metadata["secret"]}


def test_one_bucket_cannot_hold_both_images_and_results() -> None:
    with pytest.raises(ConfigurationError, match="ELASTIQ_INPUT_BUCKET and ELASTIQ_OUTPUT_BUCKET"):
        Settings.from_environment({"ELASTIQ_INPUT_BUCKET": "same", "ELASTIQ_OUTPUT_BUCKET": "same"})


@given(st.dictionaries(st.sampled_from([named(field) for field in FIELDS]), st.text()))
def test_any_environment_is_read_or_refused_with_the_name_of_a_variable(environment: dict[str, str]) -> None:
    try:
        found = Settings.from_environment(environment)
    except ConfigurationError as err:
        refused = str(err)
    else:
        refused = ""
        assert found.buckets.input != found.buckets.output

    assert not refused or any(refused.startswith(variable) for variable in environment)


def test_settings_do_not_change_once_read() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings().web.port = 1  # type: ignore[misc]


def test_the_names_and_the_models_follow_their_settings() -> None:
    found = Settings.from_environment({"ELASTIQ_QUEUE": "q", "ELASTIQ_DATA_DIR": "d"})

    assert (found.queue.topic, found.queue.listener_prefix) == ("q-events", "q-on-")
    assert found.models == Path("d/models")
    assert Settings.from_environment({"ELASTIQ_MODEL_DIR": "m"}).models == Path("m")


@pytest.mark.parametrize("field", FIELDS, ids=named)
def test_every_setting_says_what_it_is_for(field: Field[Any]) -> None:
    assert re.fullmatch(r"[A-Z`].{10,}\.", field.metadata["help"])


def test_the_document_lists_exactly_the_settings_with_their_defaults_and_purposes() -> None:
    rows = {line for line in DOCUMENT.read_text().splitlines() if line.startswith("| `")}
    wanted = {f"| `{named(field)}` | {shown(field.default)} | {field.metadata['help']} |" for field in FIELDS}

    assert not wanted - rows, "docs/settings.md lacks:\n" + "\n".join(wanted - rows)
    assert not rows - wanted, "docs/settings.md should not have:\n" + "\n".join(rows - wanted)


@pytest.mark.parametrize(
    ("auth", "ways"), [("", ()), ("off", ()), ("keys", ("keys",)), ("proxy,keys,proxy", ("proxy", "keys"))]
)
def test_callers_show_who_they_are_in_the_ways_that_are_named(auth: str, ways: tuple[str, ...]) -> None:
    assert Settings.from_environment({"ELASTIQ_AUTH": auth}).access.ways == ways
