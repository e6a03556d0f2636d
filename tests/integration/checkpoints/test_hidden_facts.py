"""No refusal of checkpoints changes with a fact that the bearer may not read."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from chassis.ids import uuid7
from tests.hidden_facts import Probe, bearers, endpoints, same_refusal
from tests.integration.checkpoints.test_devices import reading
from tests.integration.checkpoints.test_registrations import form
from tests.integration.checkpoints.town import GREEN, ago, scan

HIDDEN, ELSEWHERE = "440103001", "440104"


def change(names, **more):
    return {"change": "close", "expected_revision": 1, "reason": "works"} | more


def filed(names):
    return form(names["place"], to_area=ELSEWHERE, registration_id=str(names["new"]))


def placed(names):
    return {"checkpoint_id": str(names["place"]), "accuracy_c": 0.5, "interval_s": 60}


def seen_at(names):
    document = {"document": {"type": "passport", "country": "CHN", "number": "E12345678"}}
    return scan(names["place"], scan_id=str(names["new"]), credential=document)


def asked_of(names):
    return {"person_ref": str(names["person"]), "from": ago(days=3).isoformat(), "to": ago().isoformat()}


PROBES = [
    Probe("GET", "/v1/checkpoints", query=lambda names: {"cursor": str(names["place"])}),
    Probe("GET", "/v1/checkpoints", query=lambda _: {"area": HIDDEN}),
    Probe("GET", "/v1/checkpoints/{place}"),
    Probe("GET", "/v1/checkpoints/{place}/poster"),
    Probe("GET", "/v1/checkpoints/{place}/changes"),
    Probe("GET", "/v1/checkpoints/{place}/scans"),
    Probe("POST", "/v1/checkpoints/{place}/changes", change),
    Probe("POST", "/v1/checkpoints/{place}/changes", lambda names: change(names, expected_revision=9)),
    Probe("POST", "/v1/checkpoints/changes", lambda n: {"changes": [change(n) | {"checkpoint_id": str(n["place"])}]}),
    Probe(
        "POST",
        "/v1/checkpoints/{own}/changes",
        lambda names: change(names, change="merge", into=str(names["place"])),
    ),
    Probe("GET", "/v1/bundle", query=lambda names: {"checkpoint": str(names["place"])}),
    Probe("POST", "/v1/scans", seen_at),
    Probe("POST", "/v1/scans/batch", lambda names: {"scans": [seen_at(names)]}),
    Probe("POST", "/v1/registrations", filed),
    Probe("POST", "/v1/registrations/batch", lambda names: {"registrations": [filed(names)]}),
    Probe("GET", "/v1/registrations/{registration}"),
    Probe("GET", "/v1/people/{person}/scans"),
    Probe(
        "POST",
        "/v1/traces",
        lambda n: {"person_ref": str(n["person"]), "from": ago(days=3).isoformat(), "to": ago().isoformat()},
    ),
    Probe("GET", "/v1/traces", query=lambda names: {"cursor": str(names["trace"])}),
    Probe("GET", "/v1/traces/{trace}"),
    Probe("GET", "/v1/traces/{trace}/contacts"),
    Probe("POST", "/v1/traces/{trace}/approval"),
    Probe("POST", "/v1/devices", lambda names: placed(names) | {"device_id": "N-1", "kind": "thermal_camera"}),
    Probe("GET", "/v1/devices/{device}"),
    Probe("PUT", "/v1/devices/{device}", lambda names: placed(names) | {"expected_revision": 1}),
    Probe("PUT", "/v1/devices/{device}", lambda names: placed(names) | {"expected_revision": 9}),
    Probe("PUT", "/v1/venues/{venue}", lambda _: {"capacity": 5}),
    Probe("GET", "/v1/venues/{venue}/occupancy"),
    Probe("GET", "/v1/measurement-cases", query=lambda names: {"checkpoint": str(names["place"])}),
    Probe("GET", "/v1/measurement-cases/{case}"),
    Probe("POST", "/v1/measurement-cases/{case}/steps", lambda _: {"step": "leave", "expected_version": 1}),
    Probe("POST", "/v1/measurement-cases/{case}/steps", lambda _: {"step": "leave", "expected_version": 9}),
    Probe("POST", "/v1/shifts", lambda names: {"checkpoint_id": str(names["place"]), "staff": 2}),
    Probe("GET", "/v1/shifts", query=lambda names: {"checkpoint": str(names["place"])}),
    Probe("GET", "/v1/shifts", query=lambda names: {"cursor": str(names["shift"])}),
    Probe("GET", "/v1/shifts/{shift}"),
    Probe("GET", "/v1/shifts/{shift}/report"),
    Probe("POST", "/v1/shifts/{shift}/note", lambda _: {"note": "quiet", "expected_version": 1}),
    Probe("POST", "/v1/shifts/{shift}/sign-off", lambda _: {"expected_version": 1}),
]
NAMES = {
    "{checkpoint_id}": "{place}",
    "{registration_id}": "{registration}",
    "{person_ref}": "{person}",
    "{trace_id}": "{trace}",
    "{device_id}": "{device}",
    "{case_id}": "{case}",
    "{shift_id}": "{shift}",
}
OF_NOBODY = {
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/v1/board"),
    ("GET", "/v1/stats/live"),
    ("GET", "/v1/destructions"),
    ("GET", "/v1/policies"),
    ("POST", "/v1/policies"),
    ("GET", "/v1/policies/{version}"),
}
WITH_AN_ID_OF_THE_CALLERS_OWN = {
    ("POST", "/v1/checkpoints"),
    ("POST", "/v1/checkpoints/batch"),
    ("POST", "/v1/readings"),
    ("POST", "/v1/venue-visits"),
}
"""They ask about nothing: a checkpoint of one's area, one's own device, one's own pass (test_places.py)."""


def pattern(endpoint):
    method, path = endpoint
    for given, ours in NAMES.items():
        path = path.replace(given, ours)
    return method, path


@pytest.fixture
def hidden(client, issuer, register, gate, person, codes, sql):
    """One of everything at a post of Liwan, by its name in the probes."""
    place, operator = register("road", area=HIDDEN, name="A post"), issuer.headers("operator")
    post = gate(place)
    person_ref, idx = person(GREEN)
    sql("INSERT INTO holder VALUES (1, %s, %s)", idx, person_ref)
    seen = scan(place, credential={"pass": codes.mint(idx)})
    assert client.post("/v1/scans", json=seen, headers=post).status_code == 200
    body = form(place, to_area=HIDDEN)
    assert client.post("/v1/registrations", json=body, headers=post).status_code == 200
    device = {"device_id": "T-1", "kind": "thermal_camera", "checkpoint_id": str(place), "accuracy_c": 0.5}
    assert client.post("/v1/devices", json=device, headers=operator).status_code == 201
    hot = client.post("/v1/readings", json=reading(38.5), headers=issuer.headers("device", sub="T-1"))
    shift = client.post("/v1/shifts", json={"checkpoint_id": str(place), "staff": 2}, headers=post).json()
    span = {"from": ago(days=3).isoformat(), "to": datetime.now(UTC).isoformat()}
    trace = client.post(
        "/v1/traces", json={"person_ref": str(person_ref)} | span, headers=issuer.headers("authority", area="440103")
    )
    return {
        "place": place,
        "registration": body["registration_id"],
        "person": person_ref,
        "trace": trace.json()["trace_id"],
        "device": "T-1",
        "venue": "Somewhere",
        "case": hot.json()["cases"][0]["case_id"],
        "shift": shift["shift_id"],
    }


def nothing():
    identifiers = {name: uuid7() for name in ("registration", "trace", "case", "shift")}
    return {"place": uuid4(), "person": uuid4(), "device": "T-none", "venue": "Nowhere"} | identifiers


def test_no_refusal_changes_with_what_is_hidden(client, issuer, hidden, sql):
    assert {pattern(each) for each in endpoints(client)} <= {
        probe.endpoint if "{own}" not in probe.path else ("POST", "/v1/checkpoints/{place}/changes") for probe in PROBES
    } | OF_NOBODY | WITH_AN_ID_OF_THE_CALLERS_OWN
    mall = {"kind": "mall", "name": "Own", "venue": "Own", "area": ELSEWHERE + "001"}
    own = client.post("/v1/checkpoints", json=mall, headers=issuer.headers("operator")).json()["checkpoint_id"]
    statuses = set()
    for role, area in (*bearers((ELSEWHERE, "")), ("gate", "4401")):
        headers = issuer.headers(role, area=area, checkpoints=[own], person_ref=str(uuid4()), sub=f"{role}-2")
        for probe in PROBES:
            new = {"own": own, "new": uuid7()}
            statuses.add(same_refusal(client, probe, headers, hidden | new, nothing() | new))
    assert statuses <= {200, 403}, statuses
    assert sql("SELECT count(*) FROM scan") == [(1,)]
    assert sql("SELECT count(*) FROM registration") == [(1,)]


def test_a_gate_reads_its_own_checkpoints_alone(client, issuer, hidden, register, gate):
    """Whatever the area of its token is; the others are refused as one that lies elsewhere is."""
    place = hidden["place"]
    near = client.post(
        "/v1/checkpoints",
        json={"kind": "mall", "name": "Near", "venue": "Near", "area": HIDDEN},
        headers=issuer.headers("operator"),
    ).json()["checkpoint_id"]
    paths = [
        f"/v1/checkpoints/{place}",
        f"/v1/checkpoints/{place}/changes",
        f"/v1/venues/{hidden['venue']}/occupancy",
        f"/v1/devices/{hidden['device']}",
    ]
    for path in paths:
        assert client.get(path, headers=gate(place)).status_code == 200, path
        assert client.get(path, headers=issuer.headers("operator")).status_code == 200, path
        for area in ("4401", HIDDEN):
            answer = client.get(path, headers=gate(near, area=area))
            assert (answer.status_code, answer.json()["code"]) == (403, "area_refused"), path
    merger = change({}, change="merge", into=str(place))
    assert client.post(f"/v1/checkpoints/{near}/changes", json=merger, headers=issuer.headers("operator")).is_success
    for path in paths:
        assert client.get(path, headers=gate(near)).status_code == 200, path


def test_an_id_that_is_taken_elsewhere_is_refused_as_reading_it_is(client, issuer, hidden):
    elsewhere, here, city = (issuer.headers("operator", area=area) for area in (ELSEWHERE, "440103", "4401"))
    own = {"kind": "mall", "name": "Own", "venue": "Own", "area": ELSEWHERE + "001"}
    taken = own | {"checkpoint_id": str(hidden["place"])}
    read = client.get(f"/v1/checkpoints/{hidden['place']}", headers=elsewhere)
    assert (read.status_code, read.json()["code"]) == (403, "area_refused")
    assert client.post("/v1/checkpoints", json=taken, headers=elsewhere).json() == read.json()
    many = client.post("/v1/checkpoints/batch", json={"checkpoints": [own, taken]}, headers=elsewhere)
    assert (many.status_code, many.json()["code"]) == (403, "area_refused")
    assert many.json()["errors"] == [{"field": "checkpoints.1", "message": read.json()["detail"]}]
    for headers, area in ((here, HIDDEN), (city, ELSEWHERE + "001")):
        answer = client.post("/v1/checkpoints", json=taken | {"area": area}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (409, "checkpoint_registered_otherwise")

    place = client.post("/v1/checkpoints", json=own, headers=elsewhere).json()["checkpoint_id"]
    device = {"device_id": hidden["device"], "kind": "thermal_camera", "checkpoint_id": place, "accuracy_c": 0.5}
    assert client.post("/v1/devices", json=device, headers=elsewhere).json() == read.json()
    answer = client.post("/v1/devices", json=device, headers=city)
    assert (answer.status_code, answer.json()["code"]) == (409, "device_registered_otherwise")


def test_a_bearer_of_the_whole_city_is_told_what_is_not_there(client, issuer):
    for path in ("checkpoints", "devices", "registrations", "shifts"):
        answer = client.get(f"/v1/{path}/{uuid7()}", headers=issuer.headers("operator"))
        assert answer.status_code == 404, path


def test_a_refused_registration_is_logged_and_an_identified_person_too(client, issuer, hidden, gate, sql):
    elsewhere = issuer.headers("community", area=ELSEWHERE, sub="wang")
    answer = client.get(f"/v1/registrations/{hidden['registration']}", headers=elsewhere)
    assert (answer.status_code, answer.json()["code"]) == (403, "area_refused")
    assert HIDDEN not in answer.text
    asked = (
        "SELECT subject, roles, area, what, is_refused FROM access_log WHERE what IN ('registration', 'identification')"
    )
    assert sql(asked) == [("wang", "community", ELSEWHERE, "registration", True)]
    steps = f"/v1/measurement-cases/{hidden['case']}/steps"
    for body in (
        {"step": "remeasure", "temperature_c": 38.4, "expected_version": 1},
        {
            "step": "identify",
            "credential": {"document": {"type": "resident_id", "number": "420106199001011234"}},
            "expected_version": 2,
        },
    ):
        assert client.post(steps, json=body, headers=gate(hidden["place"])).status_code == 200
    assert sql(asked)[1:] == [("gate-1", "gate", "4401", "identification", False)]
    assert client.post(steps, json=body, headers=gate(hidden["place"])).status_code in (409, 412)
    assert sql(asked)[1:] == [("gate-1", "gate", "4401", "identification", False)] * 2, "a refused step is a look too"
