"""A service that is not told what it needs does not start, and says all that is missing at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from chassis.event_log.opening import open_event_log
from chassis.settings import ServiceSettings, SettingsError, read_hex_key, read_settings, trust_of

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


# -- what leaves this machine ------------------------------------------------------------------------------------------

BY_PASSWORD = {"EVENT_LOG_USERNAME": "codes", "EVENT_LOG_PASSWORD_FILE": "/keys/kafka.password"}
BY_CERTIFICATE = {"EVENT_LOG_CERTIFICATE_FILE": "/keys/kafka.crt", "EVENT_LOG_KEY_FILE": "/keys/kafka.key"}
AUTHORITY = {"EVENT_LOG_CA_FILE": "/keys/ca.crt"}


@pytest.mark.parametrize("hosts", ["127.0.0.1:9092", "localhost:9092,[::1]:9092", "127.9.9.9:1"])
def test_brokers_of_this_machine_may_be_reached_in_the_open(hosts: str) -> None:
    assert not read_settings(ServiceSettings, COMPLETE | {"EVENT_LOG_URL": f"kafka:{hosts}"}).is_log_elsewhere


@pytest.mark.parametrize("hosts", ["kafka:9092", "10.0.0.7:9092", "127.0.0.1:9092,kafka-2.city.example:9092"])
@pytest.mark.parametrize("told", [{}, AUTHORITY, BY_PASSWORD, BY_CERTIFICATE])
def test_brokers_elsewhere_are_reached_by_tls_by_somebody_they_know(hosts: str, told: dict[str, str]) -> None:
    said = refusal(EVENT_LOG_URL=f"kafka:{hosts}", **told)
    assert "EVENT_LOG_CA_FILE" in said
    assert "Value error" not in said
    for way in (BY_PASSWORD, BY_CERTIFICATE):
        read_settings(ServiceSettings, COMPLETE | {"EVENT_LOG_URL": f"kafka:{hosts}"} | AUTHORITY | way)


@pytest.mark.parametrize("half", [*BY_PASSWORD.items(), *BY_CERTIFICATE.items()])
def test_half_a_way_to_be_known_is_none(half: tuple[str, str]) -> None:
    assert "come together" in refusal(EVENT_LOG_URL="kafka:kafka:9092", **AUTHORITY, **dict([half]))


@pytest.mark.parametrize("url", ["http://id.city.example/jwks.json", "http://10.0.0.1/jwks", "http://localhost.evil/j"])
def test_the_issuers_keys_do_not_come_in_the_open_from_elsewhere(url: str) -> None:
    said = refusal(AUTH_JWKS=url)
    assert "AUTH_JWKS: is plain http to another machine" in said
    assert "TLS_CA_FILE" in said
    read_settings(ServiceSettings, COMPLETE | {"AUTH_JWKS": url.replace("http:", "https:")})
    read_settings(ServiceSettings, COMPLETE | {"AUTH_JWKS": "http://127.0.0.1:9/jwks.json"})


def test_a_certificate_to_serve_with_comes_with_its_key() -> None:
    assert "come together" in refusal(HTTP_CERTIFICATE_FILE="/keys/http.crt")


def test_an_authority_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("no certificate")
    for file in (tmp_path / "ca.crt", tmp_path / "none"):
        settings = read_settings(ServiceSettings, COMPLETE | {"TLS_CA_FILE": str(file)})
        with pytest.raises(SettingsError, match="TLS_CA_FILE"):
            trust_of(settings)
        log = COMPLETE | {"EVENT_LOG_URL": "kafka:kafka:9092", "EVENT_LOG_CA_FILE": str(file)} | BY_PASSWORD
        with pytest.raises(SettingsError, match="EVENT_LOG_CA_FILE"):
            open_event_log(read_settings(ServiceSettings, log), client_id="test")
