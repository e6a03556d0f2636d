"""A service that is not told what it needs does not start, and says all that is missing at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from chassis.settings import ServiceSettings, SettingsError, read_hex_key, read_settings

COMPLETE = {
    "DATABASE_URL": "postgresql://postgres@/codes",
    "EVENT_LOG_URL": "local:postgresql://postgres@/eventlog",
    "HTTP_PORT": "8001",
    "AUTH_ISSUER": "https://issuer.test",
    "AUTH_JWKS": "/etc/guanka/issuer.jwks.json",
    "AREA_FILE": "/etc/guanka/areas.csv",
}


def refusal(**changed: str) -> str:
    with pytest.raises(SettingsError) as refused:
        read_settings(ServiceSettings, COMPLETE | changed)
    return str(refused.value)


def test_a_complete_environment_is_read_and_cannot_be_changed_afterwards() -> None:
    settings = read_settings(ServiceSettings, COMPLETE | {"SOMETHING_ELSE": "1", "LOG_LEVEL": "DEBUG"})
    assert (settings.http_port, settings.log_level, settings.http_host) == (8001, "DEBUG", "127.0.0.1")
    assert settings.otlp_endpoint is None
    with pytest.raises(ValidationError):
        settings.http_port = 1  # type: ignore[misc]


def test_every_problem_is_listed_with_its_variable() -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings(ServiceSettings, {"HTTP_PORT": "eighty", "LOG_LEVEL": "LOUD"})
    said = str(refused.value)
    assert "(7 problems)" in said
    for name in (*COMPLETE, "LOG_LEVEL"):
        assert f"  {name}: " in said
    assert "DATABASE_URL: is not set (the service's own PostgreSQL database)" in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://guanka:geheim@db/codes"),
        ("EVENT_LOG_URL", "rabbit:geheim"),
        ("HTTP_PORT", "65536"),
        ("HTTP_PORT", "-1"),
        ("AUTH_ISSUER", ""),
        ("CITY_TIMEZONE", "Asia/Kanton"),
        ("CITY_TIMEZONE", "../../etc/passwd"),
        ("BODY_BYTES_MAX", "10"),
        ("DATABASE_CONNECTIONS_MAX", "1"),
        ("HANDLER_ATTEMPTS_MAX", "0"),
        ("LOG_LEVEL", "verbose"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused_by_name_and_its_value_is_not_repeated(name: str, value: str) -> None:
    said = refusal(**{name: value})
    assert f"  {name}: " in said
    assert "geheim" not in said


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    assert read_settings(ServiceSettings, COMPLETE | {"CITY_TIMEZONE": ""}).city_timezone == "Asia/Shanghai"
    assert "DATABASE_URL: is not set" in refusal(DATABASE_URL="")


@pytest.mark.parametrize("url", ["local:postgresql://postgres@/eventlog", "kafka:localhost:9092,localhost:9093"])
def test_the_event_log_is_local_or_kafka(url: str) -> None:
    assert read_settings(ServiceSettings, COMPLETE | {"EVENT_LOG_URL": url}).event_log_url == url


@pytest.mark.parametrize("content", ["", "11" * 31, "zz" * 32, None])
def test_a_key_has_sixty_four_hexadecimal_characters(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "city.key").write_text(content)
    with pytest.raises(SettingsError) as refused:
        read_hex_key(tmp_path / "city.key", "CITY_KEY_FILE")
    assert str(refused.value).count("CITY_KEY_FILE") == 1


def test_a_key_may_end_with_a_line_break(tmp_path: Path) -> None:
    (tmp_path / "city.key").write_text("ab" * 32 + "\n")
    assert read_hex_key(tmp_path / "city.key", "CITY_KEY_FILE") == b"\xab" * 32
