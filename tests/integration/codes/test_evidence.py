"""Evidence by request: what it does to colours, and what happens when it comes again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from chassis.database import Database
from services.codes.use_cases import evidence as evidence_use_case
from tests.integration.codes.city import City, piece, rows


def days_ago(days: float) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat()


def test_evidence_colours_and_the_code_names_it(city: City) -> None:
    person = city.enrol()
    city.declare(person)
    contact = piece("close_contact", person_ref=str(person))
    answer = city.evidence(contact)
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "recorded": 1})
    code = city.code(person)
    assert code["colour"] == "red"
    (reason,) = code["reasons"]
    assert (reason["rule"], reason["rule_set"]) == ("close_contact", "hangzhou-2020@1")
    assert reason["evidence"] == [contact["evidence_id"]]
    assert reason["text"]["zh"]
    assert reason["text"]["en"]
    assert code["lifts_when"]["en"].startswith("Lifts 14 days")
    assert code["appeal"] == {"allowed": True, "url": "tel:12345"}
    assert datetime.fromisoformat(code["review_at"]) > datetime.now(UTC) + timedelta(days=6)


def test_one_object_is_taken_like_a_list_of_one(city: City) -> None:
    person = city.enrol()
    answer = city.client.post(
        "/v1/evidence", json=piece("case", person_ref=str(person)), headers=city.issuer.headers("service")
    )
    assert answer.status_code == 202
    assert city.code(person)["colour"] == "red"


def test_the_same_evidence_again_has_no_effect(city: City, database: Database) -> None:
    contact = piece("general_contact", person_ref=str(city.enrol()))
    city.evidence(contact)
    before = rows(database, "SELECT count(*) AS n FROM outbox")[0].n
    assert city.evidence(contact).json() == {"accepted": 1, "recorded": 0}
    assert city.evidence(contact, contact).json() == {"accepted": 2, "recorded": 0}
    assert rows(database, "SELECT count(*) AS n FROM outbox")[0].n == before


def test_other_content_under_a_known_id_refuses_the_whole_request(city: City, database: Database) -> None:
    first = piece("general_contact", person_ref=str(city.enrol()))
    city.evidence(first)
    stranger = piece("case", person_ref=str(city.enrol()))
    answer = city.evidence(stranger, first | {"kind": "close_contact"})
    assert (answer.status_code, answer.json()["code"]) == (409, "evidence_conflict")
    assert first["evidence_id"] in answer.json()["detail"]
    assert stranger["evidence_id"] not in answer.json()["detail"]
    assert rows(database, "SELECT count(*) AS n FROM evidence")[0].n == 1
    answer = city.evidence(stranger, stranger | {"source": "another"})
    assert answer.status_code == 409


def test_evidence_about_a_document_finds_its_holder_also_before_enrolment(city: City, database: Database) -> None:
    document = {"type": "passport", "country": "de", "number": "c 01-x0006 h"}
    assert city.evidence(piece("case", document=document)).status_code == 202
    answer = city.client.post(
        "/v1/people",
        json={"document": document | {"country": "DE", "number": "C01X0006H"}, "name": "Erika"},
        headers=city.issuer.headers("operator"),
    )
    assert answer.status_code == 201
    person = answer.json()["person_ref"]
    assert city.code(person)["colour"] == "red"
    told = "SELECT headers FROM outbox WHERE aggregateid = :person ORDER BY seq"
    assert [row.headers["ce_revision"] for row in rows(database, told, person=person)] == ["1", "2"]


def test_a_risk_level_colours_those_who_stayed_there_and_goes_with_it(city: City) -> None:
    wuhan, hanyang = "4201", "420105"
    there, elsewhere, long_ago = city.enrol(), city.enrol(), city.enrol()
    city.declare(there, stays=[{"area": hanyang, "from": days_ago(9), "to": days_ago(3)}])
    city.declare(elsewhere, stays=[{"area": "330106", "from": days_ago(9), "to": days_ago(3)}])
    city.declare(long_ago, stays=[{"area": hanyang, "from": days_ago(30), "to": days_ago(15)}])
    risk = piece("area_risk", area=wuhan, facts={"level": "high"}, observed_at=days_ago(0.2))
    assert city.evidence(risk).status_code == 202
    assert [city.code(each)["colour"] for each in (there, elsewhere, long_ago)] == ["red", "green", "green"]
    assert risk["evidence_id"] in city.code(there)["reasons"][0]["evidence"]
    city.evidence(piece("area_risk", area=hanyang, facts={"level": "medium"}, observed_at=days_ago(0.1)))
    assert city.code(there)["colour"] == "yellow", "the level of the smaller area counts"
    city.evidence(piece("area_risk", area=hanyang, facts={"level": "low"}))
    assert city.code(there)["colour"] == "green"


def test_a_city_whose_code_is_filled_up_with_zeros_is_the_whole_city(city: City) -> None:
    early, late = city.enrol(), city.enrol()
    city.declare(early, stays=[{"area": "420105", "from": days_ago(9), "to": days_ago(3)}])
    city.evidence(piece("area_risk", area="420100", facts={"level": "high"}))
    city.declare(late, stays=[{"area": "420100", "from": days_ago(9), "to": days_ago(3)}])
    assert [city.code(each)["colour"] for each in (early, late)] == ["red", "red"]


def test_an_older_risk_level_does_not_replace_a_newer_one(city: City) -> None:
    person = city.enrol()
    city.evidence(piece("area_risk", area="420105", facts={"level": "high"}, observed_at=days_ago(1)))
    city.evidence(piece("area_risk", area="420105", facts={"level": "low"}, observed_at=days_ago(2)))
    stays = [{"area": "420105003", "from": days_ago(9), "to": days_ago(3)}]
    assert city.declare(person, stays=stays)["code"]["colour"] == "red"


def test_a_risk_level_that_touches_many_makes_them_due(city: City, database: Database, monkeypatch: object) -> None:
    people = [city.enrol() for _ in range(3)]
    for person in people:
        city.declare(person, stays=[{"area": "420105", "from": days_ago(9), "to": days_ago(3)}])
    monkeypatch.setattr(evidence_use_case, "PEOPLE_AT_ONCE_MAX", 2)  # type: ignore[attr-defined]
    city.evidence(piece("area_risk", area="420105", facts={"level": "high"}))
    assert rows(database, "SELECT count(*) AS n FROM person WHERE review_at <= now()")[0].n == 3


def test_a_stay_that_others_report_counts_like_a_declared_one(city: City) -> None:
    person = city.enrol()
    city.declare(person)
    city.evidence(piece("area_risk", area="420105", facts={"level": "medium"}))
    facts = {"area": "420105", "from": days_ago(5), "to": days_ago(4)}
    assert city.evidence(piece("stay", person_ref=str(person), facts=facts)).status_code == 202
    assert city.code(person)["colour"] == "yellow"


def test_a_thousand_contacts_are_a_few_events(city: City, database: Database) -> None:
    people = [city.enrol() for _ in range(40)]
    rows_before = rows(database, "SELECT max(seq) AS last FROM outbox")[0].last
    answer = city.evidence(
        *(piece("close_contact", person_ref=str(person)) for person in people),
        *(piece("close_contact", person_ref=str(uuid4())) for _ in range(10)),
    )
    assert answer.json() == {"accepted": 50, "recorded": 50}
    told = rows(
        database,
        "SELECT type, count(*) AS n FROM outbox WHERE seq > :last GROUP BY type ORDER BY type",
        last=rows_before,
    )
    assert [(row.type.rsplit(".", 1)[1], row.n) for row in told] == [("ColourChanged", 50), ("StandingsChanged", 1)]


def test_a_death_is_told_by_the_ledger_alone(city: City) -> None:
    """Over HTTP it would void anybody's pass, and no correction in the ledger would end it."""
    person = city.enrol()
    answer = city.evidence(piece("death", person_ref=str(person)))
    assert (answer.status_code, answer.json()["code"]) == (422, "evidence_kind_refused")
