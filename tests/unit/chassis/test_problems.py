"""Every error a caller reads is a problem document that says what is wrong and repeats nothing of what was given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import psycopg
import pytest
from fastapi import Depends
from fastapi.testclient import TestClient
from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import IntegrityError, OperationalError

from chassis.app import Readiness, create_app
from chassis.auth import Bearer, needs
from chassis.problems import Problem, StatusTelling, code_of, field_errors
from chassis.settings import ServiceSettings

NAME = "张三"
CASE_ID = UUID("0192f0c1-2f7a-7cc3-98c4-dc0c0c07398f")
MEMBERS = {"type", "title", "status", "code", "detail"}


class CaseNotFound(Exception):
    """There is no such case."""


class CaseClosed(Exception):
    """The case is closed."""


class CaseClosedForGood(CaseClosed):
    """The case is closed for good."""


class CaseTakenAlready(Exception):
    """Somebody else has this case."""

    def __init__(self, case_id: UUID | None = None) -> None:
        super().__init__()
        self.case_id, self.name = case_id, NAME


class Confirmation(BaseModel):
    model_config = ConfigDict(extra="forbid")
    case: int
    notes: list[str] = []


def settings(tmp_path: Path) -> ServiceSettings:
    return ServiceSettings(
        database_url="postgresql://nobody@/none",
        event_log_url="local:postgresql://nobody@/none",
        http_port=0,
        auth_issuer="https://issuer.test",
        auth_jwks=str(tmp_path / "none.json"),
        area_file=tmp_path / "areas.csv",
        body_bytes_max=2048,
    )


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    ready = [Readiness(True)]
    app = create_app(
        "Cases",
        settings(tmp_path),
        checks={"always": lambda: Readiness(True), "sometimes": lambda: ready[-1]},
        problems={CaseNotFound: 404, CaseClosed: 409, CaseTakenAlready: StatusTelling(409, "case_id")},
    )
    errors: dict[str, Exception] = {
        "not-found": CaseNotFound(),
        "closed-for-good": CaseClosedForGood("The case was closed yesterday."),
        "taken": CaseTakenAlready(CASE_ID),
        "taken-by-nobody-knows-whom": CaseTakenAlready(),
        "problem-with-members": Problem(409, "case_full", "The case is full.", members={"held": 3}),
        "problem": Problem(412, "stale_version", "Read the case again.", headers={"ETag": '"7"'}),
        "bug": RuntimeError(NAME),
        "duplicate": IntegrityError("INSERT", {"name": NAME}, psycopg.errors.UniqueViolation(f"({NAME})")),
        "away": OperationalError("SELECT", {}, psycopg.OperationalError("the connection is closed")),
    }

    @app.post("/cases")
    def confirm(confirmation: Confirmation) -> dict[str, int]:
        return {"case": confirmation.case}

    @app.get("/errors/{which}")
    def fail(which: str, limit: int = 1) -> None:
        raise errors[which]

    @app.get("/wrong-answer")
    def answer_wrongly() -> Confirmation:
        return {"case": NAME}  # type: ignore[return-value]

    @app.get("/for-operators")
    def for_operators(bearer: Annotated[Bearer, Depends(needs("operator"))]) -> str:
        return bearer.subject

    @app.post("/not-ready")
    def not_ready() -> None:
        ready.append(Readiness(False, {"rows": 3}))

    return TestClient(app, raise_server_exceptions=False)


def problem(response: Any, status: int, code: str) -> dict[str, Any]:
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    document: dict[str, Any] = response.json()
    assert document["type"] == f"urn:guanka:problem:{code}"
    assert (document["status"], document["code"]) == (status, code)
    assert document["title"]
    assert document["detail"]
    assert NAME not in response.text
    return document


def test_a_domain_error_has_the_status_of_the_table_and_its_first_docstring_line(client: TestClient) -> None:
    assert problem(client.get("/errors/not-found"), 404, "case_not_found")["detail"] == "There is no such case."


def test_a_domain_error_with_words_of_its_own_says_them_and_has_the_status_of_its_kind(client: TestClient) -> None:
    said = problem(client.get("/errors/closed-for-good"), 409, "case_closed_for_good")["detail"]
    assert said == "The case was closed yesterday."


def test_a_domain_error_tells_the_members_that_the_table_names_and_no_other(client: TestClient) -> None:
    document = problem(client.get("/errors/taken"), 409, "case_taken_already")
    assert document["case_id"] == str(CASE_ID)
    assert set(document) == MEMBERS | {"case_id"}
    assert set(problem(client.get("/errors/taken-by-nobody-knows-whom"), 409, "case_taken_already")) == MEMBERS


def test_a_problem_keeps_its_members(client: TestClient) -> None:
    document = problem(client.get("/errors/problem-with-members"), 409, "case_full")
    assert (document["held"], set(document)) == (3, MEMBERS | {"held"})


def test_a_problem_keeps_its_headers(client: TestClient) -> None:
    answer = client.get("/errors/problem")
    problem(answer, 412, "stale_version")
    assert answer.headers["etag"] == '"7"'


@pytest.mark.parametrize("which", ["bug", "duplicate"])
def test_an_unexpected_error_tells_the_caller_nothing_of_itself(client: TestClient, which: str) -> None:
    problem(client.get(f"/errors/{which}"), 500, "unexpected_error")


def test_an_answer_that_is_not_what_was_promised_is_an_unexpected_error(client: TestClient) -> None:
    problem(client.get("/wrong-answer"), 500, "unexpected_error")


def test_a_database_that_is_away_is_503_with_a_time_to_come_again(client: TestClient) -> None:
    answer = client.get("/errors/away")
    problem(answer, 503, "store_unavailable")
    assert answer.headers["retry-after"] == "1"


def test_an_address_that_does_not_exist_and_a_method_that_is_not_taken_are_problems(client: TestClient) -> None:
    problem(client.get("/nowhere"), 404, "not_found")
    answer = client.delete("/cases")
    problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"case": "seven"}, ["case"]),
        ({"case": 7, "colour": NAME}, ["colour"]),
        ({"notes": [1, "x", None]}, ["case", "notes.0", "notes.2"]),
        ({}, ["case"]),
        (None, ["body"]),
        ([], ["body"]),
        (NAME, ["body"]),
    ],
)
def test_a_wrong_field_is_named(client: TestClient, body: object, fields: list[str]) -> None:
    document = problem(client.post("/cases", json=body), 422, "invalid_request")
    assert [error["field"] for error in document["errors"]] == fields
    assert all(error["message"] for error in document["errors"])
    assert fields[0] in document["detail"]


@pytest.mark.parametrize("body", [b"{", b"", b'{"case": 7,}', b'{"case": NaN', b"[" * 60, b"\x00"])
def test_a_body_that_is_no_json_is_at_fault_as_a_whole(client: TestClient, body: bytes) -> None:
    answer = client.post("/cases", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)
    document = problem(answer, answer.status_code, {400: "bad_request", 422: "invalid_request"}[answer.status_code])
    assert [error["field"] for error in document.get("errors", [{"field": "body"}])] == ["body"]


def test_a_body_that_holds_too_much_is_refused_before_it_is_looked_into(client: TestClient) -> None:
    for body, code in (("[" * 1500, "too_deep"), ("{" + ",".join(f'"{n}":' for n in range(258)), "too_many_values")):
        problem(client.post("/cases", content=body, headers={"content-type": "application/json"}), 422, code)


def test_a_body_that_is_no_text_is_refused(client: TestClient) -> None:
    answer = client.post("/cases", content=b'{"case": "\xff"}', headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_wrong_parameter_of_the_address_is_named(client: TestClient) -> None:
    document = problem(client.get("/errors/bug?limit=many"), 422, "invalid_request")
    assert [error["field"] for error in document["errors"]] == ["query.limit"]


def test_a_field_without_end_is_not_repeated_without_end(client: TestClient) -> None:
    answer = client.post("/cases", json={"case": 7, "x" * 1500: 1})
    problem(answer, 422, "invalid_request")
    assert len(answer.content) < 700


def test_a_body_over_the_limit_is_a_problem_whether_it_was_announced_or_not(client: TestClient) -> None:
    body = json.dumps({"case": 7, "notes": ["x" * 3000]}).encode()
    problem(client.post("/cases", content=body), 413, "content_too_large")
    problem(client.post("/cases", content=iter([body[:1000], body[1000:]])), 413, "content_too_large")


def test_a_call_without_a_token_is_401_and_says_how_to_send_one(client: TestClient) -> None:
    answer = client.get("/for-operators")
    problem(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_the_probes_tell_what_is_missing(client: TestClient) -> None:
    assert client.get("/livez").json() == {"status": "alive"}
    assert client.get("/readyz").json()["ready"] is True
    client.post("/not-ready")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["sometimes"] == {"ready": False, "detail": {"rows": 3}}
    assert "# HELP" in client.get("/metrics").text
    assert "/cases" in client.get("/openapi.json").json()["paths"]


def test_a_code_is_the_name_of_the_error() -> None:
    assert [code_of(kind) for kind in (CaseNotFound, CaseClosedForGood)] == ["case_not_found", "case_closed_for_good"]


def test_the_value_that_was_given_is_never_repeated() -> None:
    errors = [{"loc": ("body", "people", 0, "name"), "msg": "Field required", "input": NAME, "type": "missing"}]
    assert field_errors(errors) == [{"field": "people.0.name", "message": "Field required"}]
