"""Kafka with TLS, passwords or certificates, and ACLs: each service does there what it must, and nothing else."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ScramMechanism, UserScramCredentialUpsertion

from chassis.event_log import EventLog, EventLogUnavailable, Record, Topic, UnknownTopic
from chassis.event_log.kafka import connect
from chassis.event_log.opening import open_event_log, security_of
from chassis.settings import EventLogSettings
from guanka import kafka_rights
from guanka.certificates import Authority, Issued
from guanka.kafka_broker import Cluster, Locked
from guanka.kafka_rights import read_rights
from guanka.ports import free_ports
from services.checkpoints import messages as checkpoints
from services.codes import messages as codes
from services.console import messages as console
from services.ledger import messages as ledger

HOST = "127.0.0.1"
RIGHTS = read_rights()
WAYS = dict(zip(RIGHTS, ("password", "certificate") * 2, strict=True))
"""The brokers know a service by one of them; its rights are those of its name."""
DECLARED: Mapping[str, Sequence[Topic]] = {
    "codes": codes.OWN_TOPICS,
    "checkpoints": checkpoints.DECLARED,
    "ledger": ledger.DECLARED,
    "console": (),
}
ELSEWHERE = "another-group"
ALL = [topic for topics in DECLARED.values() for topic in topics]


# -- the file is what the code does ------------------------------------------------------------------------------------


def test_the_rights_are_what_the_services_declare() -> None:
    assert {service: {topic.name for topic in topics} for service, topics in DECLARED.items()} == {
        service: set(each.owns) for service, each in RIGHTS.items()
    }
    assert {service: each.group for service, each in RIGHTS.items()} == {service: service for service in RIGHTS}


def test_the_rights_are_what_the_services_read() -> None:
    anything = MagicMock()
    subscribed = {
        "codes": codes.subscriptions(anything, anything),
        "checkpoints": checkpoints.subscriptions(
            on_standings=anything, on_scans=anything, on_trace=anything, on_destination=anything
        ),
        "ledger": ledger.subscriptions(anything, anything, anything),
        "console": console.subscriptions(anything),
    }
    read = {service: {each.topic for each in found} for service, found in subscribed.items()}
    read["checkpoints"].add(checkpoints.STANDINGS_TOPIC)
    assert read == {service: set(each.reads) for service, each in RIGHTS.items()}


def test_the_script_and_the_page_are_generated_from_the_file() -> None:
    said = "run `python -m guanka.kafka_rights`"
    assert kafka_rights.SCRIPT.read_text() == kafka_rights.script(RIGHTS), said
    assert kafka_rights.PAGE.read_text() == kafka_rights.page(RIGHTS), said


# -- a real broker holds them ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """A cluster behind locks, and what each service shows it."""

    cluster: Cluster
    folder: Path
    certificates: str

    def settings(self, service: str, way: str, **other: Any) -> EventLogSettings:
        """As an environment would give them. `way` is `password` or `certificate`."""
        told: dict[str, Any] = {"event_log_ca_file": self.folder / "ca.crt"}
        if way == "password":
            told |= {"event_log_url": f"kafka:{self.cluster.bootstrap}", "event_log_username": service}
            told |= {"event_log_password_file": self.folder / f"{service}.password"}
        else:
            told |= {"event_log_url": f"kafka:{self.certificates}"}
            told |= {"event_log_certificate_file": self.folder / f"{service}.crt"}
            told |= {"event_log_key_file": self.folder / f"{service}.key"}
        return EventLogSettings(**told | other)

    def log(self, service: str, way: str, **other: Any) -> EventLog:
        return open_event_log(self.settings(service, way, **other), client_id=service)

    def admin(self, service: str = "administrator", way: str = "certificate") -> Any:
        settings = self.settings(service, way)
        servers = settings.event_log_url.removeprefix("kafka:").split(",")
        return connect(KafkaAdminClient, bootstrap_servers=servers, client_id="test", **security_of(settings))


def keep(folder: Path, name: str, issued: Issued) -> None:
    (folder / f"{name}.crt").write_text(issued.certificate)
    (folder / f"{name}.key").write_text(issued.key)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("locked")
    authority, stranger = Authority.make(), Authority.make("another")
    (folder / "ca.crt").write_text(authority.certificate)
    (folder / "another.crt").write_text(stranger.certificate)
    administrator = authority.issue("administrator", [HOST, "localhost"])
    keep(folder, "administrator", administrator)
    keep(folder, "stranger", stranger.issue("codes"))
    (folder / "broker.pem").write_text(administrator.key + administrator.certificate)
    for service in (*RIGHTS, "nobody"):
        keep(folder, service, authority.issue(service))
        (folder / f"{service}.password").write_text(secrets.token_hex(16))
    ports = free_ports(2)
    told = {"ssl_cafile": "ca.crt", "ssl_certfile": "administrator.crt", "ssl_keyfile": "administrator.key"}
    client = {"security_protocol": "SSL", **{name: str(folder / file) for name, file in told.items()}}
    locked = Locked(folder / "broker.pem", folder / "ca.crt", ports[1:], "administrator", client)
    cluster = Cluster(tmp_path_factory.mktemp("locked-kafka"), ports=ports[:1], locked=locked)
    cluster.start()
    made = Place(cluster, folder, f"{HOST}:{ports[1]}")
    admin = made.admin()
    passwords = {service: (folder / f"{service}.password").read_text() for service in (*RIGHTS, "nobody")}
    admin.alter_user_scram_credentials(
        [UserScramCredentialUpsertion(name, ScramMechanism.SCRAM_SHA_512, word) for name, word in passwords.items()]
    )
    admin.create_acls(kafka_rights.acls(RIGHTS))
    admin.close()
    for service, topics in DECLARED.items():
        log = made.log(service, "certificate")
        log.declare(topics)
        assert all(is_written(log, topic.name) for topic in topics)
    yield made
    cluster.stop()


def record(topic: str) -> Record:
    return Record(topic, "key", b"value", (("ce_id", b"1"),))


def is_written(log: EventLog, topic: str) -> bool:
    publisher = log.publisher()
    try:
        return publisher.publish([record(topic)]) == [True]
    except UnknownTopic:
        return False
    finally:
        publisher.close()


def is_read(log: EventLog, topic: str) -> bool:
    """Whether the record that its owner wrote comes."""
    reader, deadline = log.reader("test"), time.monotonic() + 10
    try:
        reader.seek({(topic, partition): start for partition, (start, _) in log.bounds(topic).items()})
        while not reader.poll(wait_s=0.5, records_max=10):
            assert time.monotonic() < deadline, f"{topic} is neither read nor refused"
        return True
    except (EventLogUnavailable, UnknownTopic):
        return False
    finally:
        reader.close()


@pytest.mark.parametrize("service", RIGHTS)
def test_a_service_writes_its_own_topics_and_no_others(place: Place, service: str) -> None:
    log = place.log(service, WAYS[service])
    assert {topic.name for topic in ALL if is_written(log, topic.name)} == set(RIGHTS[service].owns)


@pytest.mark.parametrize("service", RIGHTS)
def test_a_service_reads_what_it_subscribes_to_and_nothing_else(place: Place, service: str) -> None:
    log = place.log(service, WAYS[service])
    assert {topic.name for topic in ALL if is_read(log, topic.name)} == set(RIGHTS[service].reads)


@pytest.mark.parametrize("service", RIGHTS)
def test_a_service_declares_its_topics_again_and_makes_no_others(place: Place, service: str) -> None:
    log = place.log(service, WAYS[service])
    log.declare(DECLARED[service])
    for topic in (*(each for each in ALL if each not in DECLARED[service]), Topic("surprise.v1", 1, 60)):
        with pytest.raises(EventLogUnavailable):
            log.declare([Topic(topic.name, topic.partitions, 60)])
    admin = place.admin()
    described = admin.describe_configs([ConfigResource("TOPIC", topic.name) for topic in ALL])
    assert "surprise.v1" not in admin.list_topics()
    admin.close()
    assert described


@pytest.mark.parametrize("service", RIGHTS)
def test_a_service_tells_its_place_under_its_own_name(place: Place, service: str) -> None:
    """And under no other, whose dashboards it would deceive."""
    topic = RIGHTS[service].reads[0]
    log = place.log(service, WAYS[service])
    at = {(topic, 0): 0}
    for group in (service, ELSEWHERE):
        reader = log.reader(group)
        reader.seek(at)
        reader.report(at)
        reader.poll(wait_s=0.1, records_max=1)
        reader.close()
    admin = place.admin()
    told = _groups(admin, topic)
    admin.close()
    assert service in told
    assert ELSEWHERE not in told


def _groups(admin: Any, topic: str) -> set[str]:
    """Those that have told a place in that topic."""
    found = set()
    for group in (*RIGHTS, ELSEWHERE):
        offsets = admin.list_group_offsets(group)
        places = offsets.get(group, offsets) if isinstance(offsets, dict) else offsets
        if any(getattr(place, "topic", None) == topic for place in places):
            found.add(group)
    return found


def test_who_is_known_and_has_no_rights_sees_nothing(place: Place) -> None:
    log = place.log("nobody", "password")
    assert not [topic.name for topic in ALL if is_read(log, topic.name) or is_written(log, topic.name)]


def test_who_is_not_known_is_not_let_in(place: Place) -> None:
    """A wrong password, another authority's certificate, no certificate at all, and no TLS."""
    wrong = place.folder / "wrong.password"
    wrong.write_text("guessed")
    bare = {"event_log_url": f"kafka:{place.certificates}", "event_log_ca_file": place.folder / "ca.crt"}
    settings = [
        place.settings("codes", "password", event_log_password_file=wrong),
        place.settings("stranger", "certificate"),
        EventLogSettings(**bare),
        EventLogSettings(event_log_url=f"kafka:{place.certificates}"),
        EventLogSettings(event_log_url=f"kafka:{place.cluster.bootstrap}"),
    ]
    for each in settings:
        began = time.monotonic()
        with pytest.raises(EventLogUnavailable):
            open_event_log(each, client_id="test").bounds("codes.events.v1")
        assert time.monotonic() - began < 30


def test_a_broker_that_the_authority_does_not_know_is_not_believed(place: Place) -> None:
    for way in ("password", "certificate"):
        log = place.log("codes", way, event_log_ca_file=place.folder / "another.crt")
        with pytest.raises(EventLogUnavailable):
            log.bounds("codes.events.v1")
