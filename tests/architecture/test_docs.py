"""The documents say what the code says: events, topics, settings, problems, words, links."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from chassis import auth
from chassis.auth import ROLES
from chassis.event_log import Topic
from chassis.event_log.kafka import retention_of
from chassis.forgetting import LOG_SHORTER
from docs import build_asyncapi, build_problems, build_roles, build_settings
from services.checkpoints import messages as messages_of_checkpoints
from services.checkpoints.attempts import AGE_MAX
from services.checkpoints.domain.keeping import SEGMENT, TOLD_LATE, Keeping
from services.checkpoints.settings import CheckpointsSettings
from services.ledger import messages as messages_of_ledger
from services.ledger.definition_files import PACKAGED, read_definitions
from services.ledger.domain.alarms import TOO_LATE

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
DAY_S = 86_400

_MESSAGE = re.compile(r"((?:^//[^\n]*\n)*)^message (\w+) \{", re.MULTILINE)
_TOPIC = re.compile(r"Topic ([a-z0-9.]+)[,;]")
_SECTION = re.compile(r"^## `([^`]+)`\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_CELL = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True, slots=True)
class Message:
    """A top-level protobuf message; `topic` is None for a part of others."""

    service: str
    name: str
    topic: str | None


def messages() -> list[Message]:
    """Every top-level message; it is an event when the comment before it begins with `Topic `."""
    found = []
    for path in sorted((ROOT / "proto").glob("*/v1/events.proto")):
        for comment, name in _MESSAGE.findall(path.read_text()):
            topic = _TOPIC.match(comment.removeprefix("// "))
            found.append(Message(path.parts[-3], name, topic.group(1) if topic else None))
    return found


def events() -> list[Message]:
    return [message for message in messages() if message.topic]


def rows(table: str) -> list[list[str]]:
    """The cells of each row of a Markdown table below its head."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in _CELL.split(line)[1:-1]] for line in lines if not line.startswith("|---")][1:]


def sections(page: str) -> dict[str, str]:
    return dict(_SECTION.findall((DOCS / page).read_text()))


def asyncapi() -> Any:
    return yaml.safe_load((DOCS / "asyncapi.yaml").read_text())


def services() -> list[Path]:
    return sorted(path.parent for path in (ROOT / "services").glob("*/__init__.py"))


def declared_topics() -> dict[str, Topic]:
    """The topics as the services declare them in their `messages`."""
    found: dict[str, Topic] = {}
    for service in services():
        for value in vars(importlib.import_module(f"services.{service.name}.messages")).values():
            listed = value if isinstance(value, list | tuple) else [value]
            found |= {topic.name: topic for topic in listed if isinstance(topic, Topic)}
    return found


# -- events --------------------------------------------------------------------------------------------------------


def test_a_message_is_an_event_with_a_topic_or_a_part_of_one() -> None:
    words = "\n".join(path.read_text() for path in (ROOT / "proto").glob("*/v1/events.proto"))
    parts = [message.name for message in messages() if message.topic is None]
    assert parts == [name for name in parts if re.search(rf"^  (?:repeated )?{name} \w+ = ", words, re.MULTILINE)]


def test_every_event_stands_in_the_page_of_events_under_its_topic() -> None:
    written = {(topic, row[0].strip("`")) for topic, text in sections("events.md").items() for row in rows(text)}
    assert written == {(event.topic, event.name) for event in events()}


def test_every_event_stands_in_asyncapi_under_its_topic() -> None:
    document = asyncapi()
    written = {
        (channel["address"], name, document["components"]["messages"][name]["name"])
        for channel in document["channels"].values()
        for name in channel["messages"]
    }
    assert written == {(event.topic, event.name, f"guanka.{event.service}.v1.{event.name}") for event in events()}


def test_asyncapi_points_only_at_what_it_holds() -> None:
    document = asyncapi()

    def resolves(pointer: str) -> bool:
        found = document
        for step in pointer.removeprefix("#/").split("/"):
            found = found.get(step, {})
        return bool(found)

    pointers = re.findall(r"\$ref: '([^']+)'", (DOCS / "asyncapi.yaml").read_text())
    assert [pointer for pointer in pointers if not resolves(pointer)] == []


def test_every_event_has_the_schema_of_its_protobuf_message() -> None:
    text = build_asyncapi.PAGE.read_text()
    assert text == build_asyncapi.page(text), "run `python -m docs.build_asyncapi`"
    document = asyncapi()
    for name, message in document["components"]["messages"].items():
        pointer = message["payload"]["$ref"]
        assert pointer == f"#/components/schemas/{message['name']}", name
        file = ROOT / message["x-protobuf"]["file"]
        assert f"message {name} {{" in file.read_text(), name


def test_every_topic_is_sent_by_its_service_and_received_by_those_who_take_it() -> None:
    document = asyncapi()
    address = {f"#/channels/{name}": channel["address"] for name, channel in document["channels"].items()}
    sent, received = set(), set()
    for name, operation in document["operations"].items():
        topic, service = address[operation["channel"]["$ref"]], operation["x-service"]
        assert name.startswith(service), name
        if operation["action"] == "send":
            sent.add((service, topic))
        else:
            received |= {(service, topic, each["$ref"].rpartition("/")[2]) for each in operation["messages"]}
    assert sent == {(event.service, event.topic) for event in events()}
    assert received == {
        (taker, topic, row[0].strip("`"))
        for topic, text in sections("events.md").items()
        for row in rows(text)
        for taker in set(row[-1].split(", ")) - {"nobody yet"}
    }


def test_asyncapi_names_the_headers_that_events_carry_and_where_they_are_found() -> None:
    document = asyncapi()
    headers = document["components"]["messageTraits"]["cloudEvent"]["headers"]["properties"]
    written = re.findall(r"^\| `([a-z_-]+)` \|", (DOCS / "events.md").read_text(), re.MULTILINE)
    assert set(headers) == set(written)
    assert {server["protocol"] for server in document["servers"].values()} == {"kafka-secure", "kafka"}


def test_events_name_as_takers_the_services_that_subscribe() -> None:
    written = {
        row[0].strip("`"): set(row[-1].split(", ")) - {"nobody yet"}
        for text in sections("events.md").values()
        for row in rows(text)
    }
    takers: dict[str, set[str]] = {event.name: set() for event in events()}
    for service in services():
        text = "\n".join(path.read_text() for path in [*service.glob("messages.py"), *service.glob("messages/*.py")])
        for event in events():
            if service.name != event.service and f'"guanka.{event.service}.v1.{event.name}"' in text:
                takers[event.name].add(service.name)
    assert written == takers


# -- retention -----------------------------------------------------------------------------------------------------


def test_every_topic_is_documented_with_the_retention_its_service_declares() -> None:
    declared = {
        name: (topic.partitions, None if topic.retention_s is None else topic.retention_s / DAY_S)
        for name, topic in declared_topics().items()
    }
    in_events = {}
    for name, text in sections("events.md").items():
        stated = re.match(r"\s*(\d+) partitions?, (\d+) days\.", text)
        assert stated, f"{name}: no `N partitions, N days.`"
        in_events[name] = (int(stated.group(1)), float(stated.group(2)))
    in_asyncapi = {}
    for channel in asyncapi()["channels"].values():
        kafka = channel["bindings"]["kafka"]
        kept_ms = kafka["topicConfiguration"]["retention.ms"]
        in_asyncapi[kafka["topic"]] = (kafka["partitions"], kept_ms / 1000 / DAY_S)
    in_retention = {
        row[0].strip("`"): float(row[1].partition(" days")[0]) for row in rows(sections_of_retention()["Topics"])
    }
    assert in_events == declared
    assert in_asyncapi == declared
    assert in_retention == {name: days for name, (_, days) in declared.items()}


def sections_of_retention() -> dict[str, str]:
    text = (DOCS / "retention.md").read_text()
    return dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))


def test_every_table_of_every_service_has_a_stated_retention() -> None:
    mechanics = set(re.findall(r"CREATE TABLE (\w+)", (ROOT / "chassis" / "mechanics_v1.sql").read_text()))
    stated = {title: {row[0].strip("`") for row in rows(text)} for title, text in sections_of_retention().items()}
    assert stated["Every service"] == mechanics
    for folder in sorted((ROOT / "services").glob("*/migrations")):
        service = folder.parent.name
        texts = [path.read_text() for path in folder.rglob("*.py")]
        tables = {name for text in texts for name in re.findall(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+)", text)}
        assert stated.get(f"`{service}`", set()) == tables, service


def test_scans_are_kept_twenty_eight_days_everywhere() -> None:
    kept = {title: {row[0].strip("`"): row[1] for row in rows(text)} for title, text in sections_of_retention().items()}
    assert kept["`checkpoints`"]["scan"] == "28 days"
    assert kept["`console`"]["scan_day"] == "28 days"
    assert kept["Every service"]["dead_letter"].startswith("28 days")
    assert CheckpointsSettings.model_fields["history_days"].default == 28


@pytest.mark.parametrize("history_days", [10, 11, 14, CheckpointsSettings.model_fields["history_days"].default, 366])
def test_what_is_told_of_a_scan_leaves_the_log_no_later_than_the_table(history_days: int) -> None:
    """However late it may be told: uploaded, told again with its person, or named by a trace."""
    keeping = Keeping(timedelta(days=history_days))
    now = datetime(2026, 11, 22, tzinfo=UTC)
    traces_told_late = now - keeping.meetings_told_since(now)
    topics = {topic.name: topic for topic in messages_of_checkpoints.declared(keeping)}
    topics |= {topic.name: topic for topic in messages_of_ledger.declared(history_days)}
    assert len(topics) == 4
    assert AGE_MAX < TOLD_LATE
    for name, topic in topics.items():
        told_late = traces_told_late if name == messages_of_checkpoints.TRACES_TOPIC else TOLD_LATE
        settings = retention_of(topic)
        in_log = timedelta(milliseconds=int(settings["retention.ms"]) + int(settings["segment.ms"]))
        assert timedelta(days=1) <= in_log, name
        assert told_late + in_log <= keeping.history, name


def test_the_services_agree_on_how_late_something_is_told_of_a_scan() -> None:
    assert TOLD_LATE == TOO_LATE
    assert TOLD_LATE + SEGMENT == LOG_SHORTER


def test_a_trace_names_every_meeting_that_the_ledger_asks_for_and_a_gate_brings_as_late_as_may_be() -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    definitions = read_definitions(PACKAGED).current(datetime.now(UTC))
    looked_back = max(each.trace.look_back for each in definitions if each.trace)
    history = timedelta(days=CheckpointsSettings.model_fields["history_days"].default)
    assert now - Keeping(history).meetings_told_since(now) >= looked_back + AGE_MAX


# -- settings and problems -----------------------------------------------------------------------------------------


def test_the_page_of_settings_is_what_the_settings_say() -> None:
    assert build_settings.PAGE.read_text() == build_settings.page(), "run `python -m docs.build_settings`"


_NUMBER = r"(?<![\d.,])(\d{1,3}(?:,\d{3})+|\d+(?:\.\d+)?)"
_UNITS = {"KiB": 1024, "MiB": 1024**2}
_AFTER_NAME = re.compile(rf"`([A-Z][A-Z_]+)`(?:, | \(| \| ){_NUMBER}(?: ([KM]iB))?")
_BEFORE_NAME = re.compile(
    rf"{_NUMBER} (?:(days)[a-z ,*]*\(`([A-Z_]+_DAYS)|(minutes)[a-z ,*]*\(`([A-Z_]+_MINUTES)|"
    r"(s) \(`([A-Z_]+_S)|([KM]iB) \(`([A-Z_]+_BYTES_MAX))`"
)


def stated(page: str) -> list[tuple[str, float]]:
    """Each number that a page says of a setting beside its name: (name, number)."""
    found = [(name, number, unit) for name, number, unit in _AFTER_NAME.findall(page)]
    for number, *units_and_names in _BEFORE_NAME.findall(page):
        unit, name = (each for each in units_and_names if each)
        found.append((name, number, unit))
    return [(name, float(number.replace(",", "")) * _UNITS.get(unit, 1)) for name, number, unit in found]


def test_a_number_beside_the_name_of_a_setting_is_its_default() -> None:
    said = re.findall(r"^\| `([A-Z_]+)` \| `(\d+(?:\.\d+)?)` \|", build_settings.page(), re.MULTILINE)
    defaults = {name: float(default) for name, default in said}
    pages = {path: stated(path.read_text()) for path in tracked("*.md") if path != build_settings.PAGE}
    wrong = [
        f"{path.relative_to(ROOT)}: {name} is {defaults[name]:,g}, not {number:,g}"
        for path, found in pages.items()
        for name, number in found
        if name in defaults and number != defaults[name]
    ]
    assert wrong == []
    assert sum(map(len, pages.values())) >= 15, "the pages are read"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("`CONNECTIONS_PER_ADDRESS_MAX`, 2,000 |", [("CONNECTIONS_PER_ADDRESS_MAX", 2000)]),
        ("`DATABASE_CONNECTIONS_MAX` (10) for each", [("DATABASE_CONNECTIONS_MAX", 10)]),
        ("| `PORT_BASE` | 8000 |", [("PORT_BASE", 8000)]),
        ("over `BODY_BYTES_MAX` (1 MiB)", [("BODY_BYTES_MAX", 1024**2)]),
        ("a body | 1 MiB (`BODY_BYTES_MAX`)", [("BODY_BYTES_MAX", 1024**2)]),
        ("**28 days at the most, everywhere** (`HISTORY_DAYS`, the same", [("HISTORY_DAYS", 28)]),
        ("5,000 within 24 hours (`TRACE_CONTACTS_A_DAY_MAX`)", []),
    ],
)
def test_a_number_is_read_beside_a_name(text: str, found: list[tuple[str, float]]) -> None:
    assert stated(text) == found


def test_every_variable_that_the_command_line_reads_stands_in_the_page_of_settings() -> None:
    text = "\n".join(path.read_text() for path in (ROOT / "guanka").glob("*.py"))
    read = set(re.findall(r'envvar="(\w+)"|environ(?:\.get\(|\[)"(\w+)"', text))
    assert {first or second for first, second in read} == build_settings.COMMAND_LINE.keys()


def test_the_page_of_problems_is_what_the_errors_say() -> None:
    assert build_problems.PAGE.read_text() == build_problems.page(), "run `python -m docs.build_problems`"


def test_the_page_of_roles_is_what_the_endpoints_need() -> None:
    assert build_roles.PAGE.read_text() == build_roles.page(), "run `python -m docs.build_roles`"


def test_an_endpoint_that_names_no_role_is_open_because_somebody_said_so() -> None:
    unsaid = {(each.service, each.method, each.path) for each in build_roles.endpoints() if each.roles is None}
    assert unsaid == build_roles.BY_HAND.keys(), "name its roles with `needs`, or say in docs/build_roles.py what it is"


def test_every_role_is_explained() -> None:
    assert build_roles.MEANINGS.keys() == ROLES


def test_the_claims_of_the_page_are_those_that_are_read(tmp_path: Path) -> None:
    """A claim that `bearer_of` reads stands in the page, and the page's example is a bearer."""
    read = set(re.findall(r'\(claims, "(\w+)"', inspect.getsource(auth)))
    stated = set(re.findall(r"^\| `(\w+)` \| (?:always|by )", build_roles.HEAD, re.MULTILINE))
    assert stated == read | {"iss", "aud", "exp"}
    example = json.loads(build_roles.HEAD.partition("```json")[2].partition("```")[0])
    bearer = auth.bearer_of(example)
    assert (bearer.roles, bearer.area) == ({"community"}, "440103001")


@pytest.mark.parametrize("service", build_problems.services())
def test_every_domain_error_stands_in_its_services_table_of_statuses(service: str) -> None:
    missing = set(build_problems.domain_errors(service)) - set(build_problems.statuses(service))
    assert missing == set()


def test_every_problem_that_the_chassis_names_stands_in_the_page_of_problems() -> None:
    named = {(entry.status, entry.code) for entry in build_problems.named_in(ROOT / "chassis")}
    assert named <= {(entry.status, entry.code) for entry in build_problems.CHASSIS}


# -- words and links -----------------------------------------------------------------------------------------------


def glossary() -> list[list[str]]:
    return [row for row in rows((DOCS / "glossary.md").read_text()) if row[0] != "term"]


def test_a_term_of_the_glossary_stands_there_once() -> None:
    terms = [row[0] for row in glossary()]
    assert sorted(terms) == sorted(set(terms))


def test_a_term_of_the_glossary_is_where_the_glossary_says() -> None:
    for term, chinese, meaning, place in glossary():
        path, _, name = place.strip("`").partition(":")
        assert chinese, term
        assert meaning, term
        assert (ROOT / path).exists(), f"{term}: {path} does not exist"
        assert not name or name in (ROOT / path).read_text(), f"{term}: {path} does not say {name}"


def tracked(*patterns: str) -> list[Path]:
    """The files of the repository, written or about to be, that match."""
    command = ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard", "--", *patterns]
    names = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def test_a_relative_link_in_a_page_leads_somewhere() -> None:
    broken = []
    for page in tracked("*.md"):
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
            path = target.partition("#")[0]
            if path and "://" not in path and not path.startswith("mailto:") and not (page.parent / path).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []


def test_a_test_that_a_page_names_exists() -> None:
    """By its file, or by the name of a function."""
    written = {name for path in tracked("tests/*.py") for name in re.findall(r"def (test_\w+)", path.read_text())}
    files = {path.relative_to(ROOT).as_posix() for path in tracked("tests/*.py")}
    missing = []
    for page in tracked("*.md"):
        for name in re.findall(r"\b((?:tests/[\w/]+/)?test_\w+(?:\.py)?)", page.read_text()):
            is_file = name.endswith(".py") or name.startswith("tests/")
            known = any(path.endswith(name) for path in files) if is_file else name in written
            missing += [] if known else [f"{page.relative_to(ROOT)}: {name}"]
    assert missing == []


def test_no_file_names_a_place_outside_the_repository() -> None:
    outside = ["/" + "work/", ".." + "/shared", "shared" + "/design", "shared" + "/data", "shared" + "/conformance"]
    named = []
    for path in tracked():
        if path.suffix in {".png", ".binpb", ".woff2", ".gz"}:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        named += [f"{path.relative_to(ROOT)}: {each}" for each in outside if each in text]
    assert named == []
