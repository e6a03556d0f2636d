"""Which adapter a service's settings name, and how Kafka and the service know each other."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

from chassis.event_log import EventLog
from chassis.settings import EventLogSettings, SettingsError


def open_event_log(settings: EventLogSettings, *, client_id: str) -> EventLog:
    """Raises `SettingsError` when a file that the settings name cannot be used."""
    adapter, _, address = settings.event_log_url.partition(":")
    if adapter == "local":
        from chassis.event_log.local import LocalEventLog

        return LocalEventLog(address)
    from chassis.event_log.kafka import KafkaEventLog

    return KafkaEventLog(address, client_id=client_id, security=security_of(settings))


def security_of(settings: EventLogSettings) -> Mapping[str, Any]:
    """kafka-python's options; none for brokers of this machine without TLS. Raises `SettingsError`."""
    if settings.event_log_ca_file is None:
        return {}
    security: dict[str, Any] = {"security_protocol": "SSL", "ssl_context": _context(settings)}
    if settings.event_log_password_file is not None:
        try:
            password = settings.event_log_password_file.read_text().strip()
        except (OSError, ValueError) as error:
            raise _unreadable("EVENT_LOG_PASSWORD_FILE", settings.event_log_password_file, error) from None
        security |= {
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": settings.event_log_sasl_mechanism,
            "sasl_plain_username": settings.event_log_username,
            "sasl_plain_password": password,
        }
    return security


def _context(settings: EventLogSettings) -> ssl.SSLContext:
    """Only brokers are believed whose certificate comes from that authority and names the host that was asked."""
    try:
        context = ssl.create_default_context(cafile=str(settings.event_log_ca_file))
    except (OSError, ssl.SSLError) as error:
        raise _unreadable("EVENT_LOG_CA_FILE", settings.event_log_ca_file, error) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.event_log_certificate_file is not None and settings.event_log_key_file is not None:
        try:
            context.load_cert_chain(settings.event_log_certificate_file, settings.event_log_key_file)
        except (OSError, ssl.SSLError) as error:
            raise _unreadable("EVENT_LOG_CERTIFICATE_FILE", settings.event_log_certificate_file, error) from None
    return context


def _unreadable(variable: str, path: object, error: Exception) -> SettingsError:
    return SettingsError(f"{variable}: {path} cannot be used ({type(error).__name__})")
