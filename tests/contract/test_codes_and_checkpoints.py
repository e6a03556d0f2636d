"""Where codes and checkpoints meet: what codes signs and publishes, checkpoints reads; both keep their own types."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from fastapi.testclient import TestClient

from chassis.database import Database
from guanka.gate.deciding import decide_offline
from guanka.gate.knowledge import read_bundle
from guanka.gate.reading import read_line
from services.checkpoints import messages
from services.checkpoints.board import Board
from services.checkpoints.bundles import SignedLists, bundle_of
from services.checkpoints.codes_client import CodesClient
from services.checkpoints.domain.passes import ReadPass
from services.checkpoints.domain.scans import Attempt, Checkpoint, Colour, Decision, Refusal
from services.checkpoints.key_ring import KeyRing
from services.checkpoints.masks import Masks
from services.checkpoints.policy_shelf import PolicyShelf
from services.checkpoints.signed import POLICY, public_keys
from services.checkpoints.signed_policies import read_signed_policy
from services.codes.api import build
from services.codes.domain.dossier import Evidence
from services.codes.main import desk_of
from services.codes.settings import CodesSettings
from services.codes.use_cases.evidence import take_findings
from tests.integration.checkpoints.town import SHIPPED_POLICY, PolicyOffice
from tests.integration.codes.city import ISSUER, ROOT, City, Issuer, rows, write_keys

HEALTHY = {"symptoms": [], "stays": [], "contact_with_case": False}
URI = "https://guanka.example/s"


@pytest.fixture
def city(migrated: Callable[[str], str], tmp_path: Path) -> City:
    issuer = Issuer()
    write_keys(tmp_path, issuer)
    (tmp_path / "service.token").write_text(issuer.headers("service")["Authorization"].removeprefix("Bearer "))
    settings = CodesSettings(
        database_url=migrated("codes"),
        event_log_url="local:postgresql://nowhere/none",
        http_port=0,
        auth_issuer=ISSUER,
        auth_jwks=str(tmp_path / "issuer.json"),
        area_file=ROOT / "data" / "guangzhou" / "areas.csv",
        city_key_file=tmp_path / "city.key",
        data_keys_file=tmp_path / "data.json",
        signing_keys_file=tmp_path / "signing.json",
        status_list_uri=URI,
    )
    desk = desk_of(settings, Database(settings.database_url))
    return City(TestClient(build(settings, replace(desk))), issuer)


@pytest.fixture
def codes(city: City, tmp_path: Path) -> CodesClient:
    return CodesClient("http://testserver", tmp_path / "service.token", transport=city.client._transport)


@pytest.mark.parametrize("kind", ["shown", "printed"])
def test_a_pass_that_codes_mints_is_read_and_finds_its_holders_colour(city, codes, kind):
    person = city.enrol()
    city.declare(person)
    minted = city.client.post(
        f"/v1/people/{person}/passes", json={"kind": kind}, headers=city.issuer.headers("operator")
    ).json()
    ring, board = KeyRing(URI), Board(30)
    assert ring.put(codes.jwks())
    now = datetime.now(UTC)
    found = ring.read(minted["token"], now)
    assert not isinstance(found, Refusal)
    entry = found.entry
    ends_at = datetime.fromisoformat(minted["expires_at"])
    assert ring.read(minted["token"], ends_at - timedelta(seconds=1)) == found
    assert found.shown_at_s == (int(ends_at.timestamp()) - 60 if kind == "shown" else None)
    assert ring.read(minted["token"], ends_at) is Refusal.PASS_EXPIRED

    [(number, revision)] = codes.revisions().items()
    found = codes.standing_list(number, has_persons=True)
    assert found.revision == revision
    board.put(number, found.revision, found.packed)
    assert board.standing_of(entry, now.timestamp()).colour is Colour.GREEN
    place = list(found.idx).index(entry.idx)
    assert found.person_refs[place * 16 : place * 16 + 16] == person.bytes


def test_what_codes_tells_of_its_standings_is_what_it_answers(city, codes):
    person = city.enrol()
    before = codes.standing_list(1, has_persons=False)
    board = Board(30)
    board.put(1, before.revision, before.packed)
    city.declare(person, symptoms=["fever"], temperature_c=38.5)
    database = city.client.app.state.desk.database
    told = rows(database, "SELECT payload FROM outbox WHERE aggregatetype = 'standings' ORDER BY seq")
    for (payload,) in told:
        board.apply(messages.standings_change(bytes(payload)))
    after = codes.standing_list(1, has_persons=False)
    assert board.packed(1) == (after.revision, after.packed)
    assert board.revisions() == codes.revisions()
    assert after.packed != before.packed


@pytest.mark.parametrize("is_dead", [False, True])
def test_a_list_that_codes_signs_is_a_gates_knowledge(city, codes, is_dead):
    person = city.enrol()
    city.declare(person)
    minted = city.client.post(
        f"/v1/people/{person}/passes", json={"kind": "shown"}, headers=city.issuer.headers("operator")
    ).json()
    now, place, office = datetime.now(UTC), uuid4(), PolicyOffice()
    if is_dead:
        desk = city.client.app.state.desk
        with desk.database.transaction() as tx:
            take_findings(tx, desk.office, [Evidence(uuid4(), "death", person, None, {}, now, "/ledger")], now)
    board = Board(30)
    board.put(1, 1, b"")
    held = SignedLists(codes, board, lambda: now).current()
    signed = read_signed_policy(office.sign(SHIPPED_POLICY), public_keys(office.jwks(), POLICY))
    bundle = bundle_of(
        versions=(Checkpoint(place, "metro", "A gate", "", "440103001", ""),),
        policy=signed,
        upcoming=(),
        jwks=codes.jwks(),
        policy_jwks=office.jwks(),
        held=held,
        known_tags=frozenset(),
        status_list_uri=URI,
        now=now,
    )
    known = read_bundle(bundle, {each["list"]: each["token"] for each in bundle["status_lists"]}, now)
    _, attempt = read_line(minted["token"], str(place), datetime.now(UTC))
    taken = decide_offline(known, attempt)
    if is_dead:
        assert (taken.decision, taken.refusal) == (Decision.CHECK, Refusal.PASS_VOID)
        return
    assert (taken.decision, taken.colour, taken.is_settled) == (Decision.PASS, Colour.GREEN, True)
    assert codes.status_list(1, held.lists[1].etag) is None


def test_a_pass_of_the_dead_is_void_on_the_board_by_every_way_there(city, codes):
    """Field case 11: told as a change, fetched as a list, kept as a snapshot; and taken back."""
    person = city.enrol()
    city.declare(person)
    headers = city.issuer.headers("operator")
    minted = city.client.post(f"/v1/people/{person}/passes", json={"kind": "printed"}, headers=headers).json()
    desk, now, before = city.client.app.state.desk, datetime.now(UTC), codes.standing_list(1, has_persons=False)
    ring, told_board, fetched, kept = KeyRing(URI), Board(30), Board(30), Board(30)
    ring.put(codes.jwks())
    shown = ring.read(minted["token"], now)
    assert isinstance(shown, ReadPass)
    told_board.put(1, before.revision, before.packed)
    death = Evidence(uuid4(), "death", person, None, {}, now, "/ledger")
    for is_void, finding in [(True, death), (False, replace(death, ended_at=now, outcome="corrected"))]:
        with desk.database.transaction() as tx:
            take_findings(tx, desk.office, [finding], now)
        told = rows(desk.database, "SELECT payload FROM outbox WHERE aggregatetype = 'standings' ORDER BY seq")
        for (payload,) in told:
            told_board.apply(messages.standings_change(bytes(payload)))
        found = codes.standing_list(1, has_persons=True)
        fetched.put(1, found.revision, found.packed, found.void)
        kept.put(1, *told_board.snapshot(1))
        colour = Colour.LAPSED if is_void else Colour.GREEN
        for board in (told_board, fetched, kept):
            standing = board.standing_of(shown.entry, now.timestamp())
            assert (standing.colour, standing.is_void) == (colour, is_void)
        status = 409 if is_void else 201
        for path, body in [("passes", {"kind": "shown"}), ("declarations", HEALTHY)]:
            answer = city.client.post(f"/v1/people/{person}/{path}", json=body, headers=headers)
            assert answer.status_code == status
            assert not is_void or answer.json()["code"] == "person_dead"


def test_what_codes_says_of_a_person_is_what_a_guard_compares(city, codes, tmp_path):
    number = "440103198001010011"
    person = city.enrol(number, name="张小三")
    token = city.client.post(
        f"/v1/people/{person}/passes", json={"kind": "printed"}, headers=city.issuer.headers("operator")
    ).json()["token"]
    ring, office = KeyRing(URI), PolicyOffice()
    ring.put(codes.jwks())
    signed = office.sign(SHIPPED_POLICY)
    policies = PolicyShelf(
        lambda: [("default@1", signed)], public_keys(office.jwks(), POLICY), lambda: datetime.now(UTC)
    )
    policies.refresh()
    transport = httpx.ASGITransport(city.client.app)
    masks = Masks("http://codes", tmp_path / "service.token", key_ring=ring, policies=policies, transport=transport)
    place = Checkpoint(uuid4(), "mall", "A gate", "", "440103001", "")
    at = datetime.now(UTC)
    resigned = token[: token.rindex(".") + 1] + "A" * 86
    attempts = [
        Attempt(uuid4(), place.checkpoint_id, at, b"", token=token),
        Attempt(uuid4(), place.checkpoint_id, at, b"", token="x.y.z"),
        Attempt(uuid4(), place.checkpoint_id, at, b"", token=resigned, temperature_c=38.0),
    ]
    answers = [{"policy_version": "default@1", "colour": "green", "refusal": None} for _ in attempts]
    answers[2] |= {"colour": "red", "refusal": None}  # as of a driver whose pass is forged, with a red passenger

    async def ask() -> None:
        await masks.add_persons(list(zip(attempts, [place] * len(attempts), answers, strict=True)), "gate-1")
        await masks.close()

    asyncio.run(ask())
    assert answers[0]["person"] == {"name_masked": "张*三", "document_tail": "0011"}
    assert "person" not in answers[1] | answers[2]
