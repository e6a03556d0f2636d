"""Dashboards and alerts ask only for what the processes expose, and tell operators only of commands that there are."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import typer
import yaml
from prometheus_client.parser import text_string_to_metric_families

from guanka.main import app
from services.checkpoints.settings import CheckpointsSettings
from tests.deploy.asked import Exposed, wrong_in
from tests.deploy.naming import faults_of
from tests.e2e.outsider import Outsider, eventually, new_scan
from tests.running import ROOT, Product, running_product

DEPLOY = ROOT / "deploy"
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
SCRAPES = [DEPLOY / "prometheus" / name for name in ("prometheus.yaml", "kubernetes.yaml")]
DATASOURCE = {"type": "prometheus", "uid": "$datasource"}
FIRING = {name: set[str]() for name in ("alertname", "alertstate", "severity", "service", "process", "topic")}
"""The labels of `ALERTS`, which Prometheus makes of the alerts themselves."""

Json = dict[str, Any]


def dashboards() -> dict[str, Json]:
    return {path.name: json.loads(path.read_text()) for path in DASHBOARDS}


def panels() -> Iterator[tuple[str, Json]]:
    for name, dashboard in dashboards().items():
        for panel in dashboard["panels"]:
            yield f"{name}: {panel['title']}", panel


def alerts() -> list[Json]:
    document = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yaml").read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def expressions() -> dict[str, str]:
    """Every expression by where it stands."""
    drawn = {f"{where} {target['refId']}": target["expr"] for where, panel in panels() for target in panel["targets"]}
    return drawn | {f"alert {rule['alert']}": rule["expr"] for rule in alerts()}


# -- dashboards --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["uid", "title"])
def test_no_two_dashboards_share_a_name(name: str) -> None:
    names = [dashboard[name] for dashboard in dashboards().values()]
    assert len(names) == len(set(names)) >= 3


def test_no_two_panels_share_a_title_or_overlap_and_none_leaves_the_page() -> None:
    for name, dashboard in dashboards().items():
        for key in ("id", "title"):
            assert len({panel[key] for panel in dashboard["panels"]}) == len(dashboard["panels"]), f"{name}: {key}"
        taken: dict[tuple[int, int], str] = {}
        for panel in dashboard["panels"]:
            x, y, w, h = (panel["gridPos"][side] for side in "xywh")
            assert x + w <= 24, f"{name}: {panel['title']}"
            for place in itertools.product(range(x, x + w), range(y, y + h)):
                assert place not in taken, f"{name}: {panel['title']} lies over {taken[place]}"
                taken[place] = panel["title"]


def test_every_panel_says_what_it_shows_and_in_which_unit() -> None:
    for where, panel in panels():
        assert panel["description"].endswith("."), where
        assert panel["type"] in {"table", "state-timeline"} or panel["fieldConfig"]["defaults"]["unit"], where


def test_every_panel_asks_the_data_source_that_the_reader_chose() -> None:
    for name, dashboard in dashboards().items():
        assert dashboard["templating"]["list"][0] | {"label": ""} == {
            "name": "datasource",
            "label": "",
            "type": "datasource",
            "query": "prometheus",
        }, name
        asking = [*dashboard["panels"], *dashboard["templating"]["list"][1:]]
        assert [each for each in asking if each["datasource"] != DATASOURCE] == [], name
        assert [target for panel in dashboard["panels"] for target in panel["targets"] if "datasource" in target] == []


def test_grafana_finds_its_data_source_by_the_environment_and_the_dashboards_by_a_path() -> None:
    provisioning = DEPLOY / "grafana" / "provisioning"
    [source] = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text())["datasources"]
    assert (source["type"], source["url"]) == ("prometheus", "$PROMETHEUS_URL")
    [provider] = yaml.safe_load((provisioning / "dashboards" / "guanka.yaml").read_text())["providers"]
    assert provider["type"] == "file"
    assert provider["options"]["path"]


# -- alerts ------------------------------------------------------------------------------------------------------------


def test_every_alert_says_what_is_so_and_what_to_do() -> None:
    names = [rule["alert"] for rule in alerts()]
    assert len(names) == len(set(names))
    for rule in alerts():
        assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}, rule["alert"]
        assert rule["labels"]["severity"] in {"critical", "warning"}, rule["alert"]
        assert rule["annotations"].keys() == {"summary", "action"}, rule["alert"]
        assert all(text.endswith(".") for text in rule["annotations"].values()), rule["alert"]


def test_every_alert_and_every_dashboard_stands_in_the_page_of_operations() -> None:
    page = (ROOT / "docs" / "operations.md").read_text().partition("## Watching it\n")[2].partition("\n## ")[0]
    told = set(re.findall(r"^\| `(\w+)`", page, re.MULTILINE))
    assert told == {rule["alert"] for rule in alerts()}
    assert [title for each in dashboards().values() if f"**{(title := each['title'])}**" not in page] == []


def commands() -> dict[str, set[str]]:
    """The commands of `guanka`, each with its own."""
    root: Any = typer.main.get_command(app)
    return {name: set(getattr(command, "commands", ())) for name, command in root.commands.items()}


def test_every_command_that_an_operator_is_told_to_use_is_there() -> None:
    known = commands()
    texts = [json.dumps(dashboard) for dashboard in dashboards().values()]
    texts += [rule["annotations"]["action"] for rule in alerts()]
    pages = [ROOT / "docs" / "operations.md", *(ROOT / "docs" / "operations").glob("*.md"), DEPLOY / "README.md"]
    texts += [page.read_text() for page in pages]
    told = [words.split() for text in texts for words in re.findall(r"`guanka ([a-z][^`]+)`", text)]
    assert told
    for command, *more in told:
        assert command in known, command
        assert not known[command] or more[0] in known[command], f"{command} {more}"


# -- what is asked for, against what a running product exposes ---------------------------------------------------------


@pytest.fixture(scope="module")
def watched() -> Iterator[tuple[Exposed, dict[str, str]]]:
    """Of a product with a little traffic and one scan that the store did not take: its metrics, and their types."""
    with running_product(extra={"SCAN_APPEND_TIMEOUT_S": "1"}) as product:
        outside = Outsider(product)
        checkpoint = outside.checkpoint("metro")
        person_ref = outside.healthy()
        eventually(lambda: outside.scan_person(checkpoint, person_ref)["decision"] == "pass")
        _refuse_a_scan(product, outside, checkpoint, person_ref)
        found = eventually(lambda: _if_all_were_looked_at(_read_metrics(product)))
        yield found, _types(product)


@pytest.fixture(scope="module")
def exposed(watched: tuple[Exposed, dict[str, str]]) -> Exposed:
    return watched[0]


def _refuse_a_scan(product: Product, outside: Outsider, checkpoint: str, person_ref: str) -> None:
    token, body = outside.gate(checkpoint), new_scan(checkpoint, {"pass": outside.pass_of(person_ref)})
    with psycopg.connect(product.running["databases"]["checkpoints"]) as connection:
        connection.execute("LOCK TABLE scan IN ACCESS EXCLUSIVE MODE")
        answer = httpx.post(
            f"{product.address('checkpoints')}/v1/scans", json=body, headers={"Authorization": f"Bearer {token}"}
        )
    assert answer.status_code == 503


def _read_metrics(product: Product) -> Exposed:
    """As Prometheus holds them: with the labels of the target, and with what it says of the target itself."""
    found: dict[str, dict[str, set[str]]] = {"ALERTS": FIRING}
    for name, process in product.running["processes"].items():
        service, _, kind = name.partition("-")
        if kind not in {"api", "worker"}:
            continue
        address = f"127.0.0.1:{process['port']}"
        target = {"job": "guanka", "instance": address, "service": service, "process": kind}
        families = text_string_to_metric_families(httpx.get(f"http://{address}/metrics").text)
        samples = [(sample.name, sample.labels) for family in families for sample in family.samples]
        for metric, labels in [("up", {}), *samples]:
            for label, value in (labels | target).items():
                found.setdefault(metric, {}).setdefault(label, set()).add(value)
    return found


def _types(product: Product) -> dict[str, str]:
    """The type of each family that any process exposes, by its name as it is asked for."""
    return {
        family.name + ("_total" if family.type == "counter" else ""): family.type
        for name, process in product.running["processes"].items()
        if name.endswith(("-api", "-worker"))
        for family in text_string_to_metric_families(httpx.get(f"http://127.0.0.1:{process['port']}/metrics").text)
    }


def _if_all_were_looked_at(found: Exposed) -> Exposed | None:
    """Workers look at themselves from their start on, and again each few seconds where something was not there yet."""
    looked_at = [found.get(name, {}).get("service", set()) for name in ("worker_ready", "consumer_lag")]
    return found if all(len(services) == 4 for services in looked_at) else None


@pytest.mark.parametrize("where", expressions())
def test_an_expression_asks_only_for_what_is_exposed(where: str, exposed: Exposed) -> None:
    assert wrong_in(expressions()[where], exposed) == []


def test_every_metric_is_named_in_base_units_spelled_out(watched: tuple[Exposed, dict[str, str]]) -> None:
    types = watched[1]
    assert {"outbox_oldest_seconds", "board_age_seconds", "scan_answers_total", "scan_answer_seconds"} <= types.keys()
    assert {name: faults for name, kind in types.items() if (faults := faults_of(name, kind))} == {}


@pytest.mark.parametrize(
    ("name", "kind", "fault"),
    [
        ("outbox_oldest_s", "gauge", "`s` abbreviates a unit"),
        ("board_age_minutes", "gauge", "`minutes` is no base unit"),
        ("scan_answers", "counter", "a counter ends in _total"),
        ("scans_waiting_total", "gauge", "`total` is said of a gauge"),
        ("scanAnswers_total", "counter", "small letters, digits, and single _ between words"),
    ],
)
def test_a_name_that_prometheus_advises_against_is_seen(name: str, kind: str, fault: str) -> None:
    assert faults_of(name, kind) == [fault]


def test_a_legend_names_only_labels_that_the_expression_keeps() -> None:
    for where, panel in panels():
        for target in panel["targets"]:
            kept = re.search(r"by \(([^)]*)\)", target["expr"])
            if kept is not None:
                named = set(re.findall(r"{{(\w+)}}", target.get("legendFormat", "")))
                assert named <= set(kept.group(1).split(", ")), where


def test_a_variable_offers_the_values_of_a_label_that_is_exposed(exposed: Exposed) -> None:
    for name, dashboard in dashboards().items():
        for variable in dashboard["templating"]["list"][1:]:
            asked = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"])
            assert asked is not None, name
            assert wrong_in(f"count by ({asked[2]}) ({asked[1]})", exposed) == [], name


def test_answers_are_timed_in_steps_that_tell_a_quick_one_from_a_slow_one(exposed: Exposed) -> None:
    steps = sorted(float(step) for step in exposed["scan_answer_seconds_bucket"]["le"])
    assert sum(0.001 <= step <= 1.0 for step in steps) >= 9
    assert 0.25 in steps, "the alert ScansSlow is a step"


def test_a_board_is_stale_to_the_alert_when_it_is_to_the_gates() -> None:
    [rule] = [rule for rule in alerts() if rule["alert"] == "BoardStale"]
    assert rule["expr"].endswith(f" > {CheckpointsSettings.model_fields['board_stale_s'].default:.0f}")


@pytest.mark.parametrize("file", SCRAPES, ids=lambda path: path.stem)
def test_every_target_is_labelled_with_its_service_and_process(file: Path) -> None:
    document = yaml.safe_load(file.read_text())
    [job] = document["scrape_configs"]
    assert job["job_name"] == "guanka"
    assert {"service", "process"} <= {rule.get("target_label") for rule in job["relabel_configs"]}
    assert document["rule_files"] == ["alerts.yaml"]


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ("sum(rate(scans_recorded[5m]))", "nothing exposes scans_recorded"),
        ("sum by (city) (rate(scans_recorded_total[$__rate_interval]))", "scans_recorded_total has no label city"),
        ('worker_ready{gate="1"} == 0', "worker_ready has no label gate"),
        ('worker_ready{check="consumers"} == 0', "worker_ready was never seen with check=consumers"),
        ("board_age_seconds / on (list) board_revision", "board_age_seconds has no label list"),
    ],
)
def test_a_wrong_name_is_seen(expression: str, wrong: str, exposed: Exposed) -> None:
    assert wrong_in(expression, exposed) == [wrong]
