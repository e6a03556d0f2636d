"""The status list that everybody may read, and the standings that services start from."""

from __future__ import annotations

import base64
import zlib
from array import array
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import UUID

import jwt
from jwt.algorithms import ECAlgorithm

from chassis.database import Database
from services.codes.domain.permutation import LIST_SIZE
from tests.integration.codes.city import City, MovableClock, rows

GREEN, RED, YELLOW, LAPSED = range(4)


def unpacked(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text))


def value_at(packed: bytes, idx: int) -> int:
    return packed[idx // 4] >> (idx % 4 * 2) & 3


def entry(database: Database, person: UUID) -> int:
    return rows(database, "SELECT idx FROM person WHERE person_ref = :person", person=person)[0].idx


def test_the_standings_hold_everybody_with_their_colour(city: City, database: Database) -> None:
    lapsed, green, red = (city.enrol() for _ in range(3))
    city.declare(green)
    city.declare(red, contact_with_case=True)
    headers = city.issuer.headers("service")
    (listed,) = city.client.get("/v1/standings", headers=headers).json()["lists"]
    answer = city.client.get("/v1/standings/1", params={"persons": "true"}, headers=headers).json()
    assert listed == {"list": 1, "revision": answer["revision"]}
    assert answer["size"] == LIST_SIZE
    packed = unpacked(answer["colours"])
    assert len(packed) == LIST_SIZE // 4
    indices, refs = array("I", unpacked(answer["idx"])), unpacked(answer["person_refs"])
    found = {UUID(bytes=refs[16 * row : 16 * row + 16]): value_at(packed, idx) for row, idx in enumerate(indices)}
    assert found == {lapsed: LAPSED, green: GREEN, red: RED}
    assert sum(value_at(packed, idx) != LAPSED for idx in range(LIST_SIZE)) == 2
    without = city.client.get("/v1/standings/1", headers=headers).json()
    assert without.keys() == {"list", "revision", "size", "colours"}


def test_the_standings_follow_every_revision(city: City) -> None:
    headers, person = city.issuer.headers("service"), city.enrol()
    seen = [city.client.get("/v1/standings/1", headers=headers).json()]
    city.declare(person)
    seen.append(city.client.get("/v1/standings/1", headers=headers).json())
    assert seen[1]["revision"] == seen[0]["revision"] + 1
    assert seen[1]["colours"] != seen[0]["colours"]


def test_only_a_service_reads_the_standings(city: City) -> None:
    for path in ("/v1/standings", "/v1/standings/1"):
        assert city.client.get(path, headers=city.issuer.headers("operator")).status_code == 403
        assert city.client.get(path).status_code == 401


def test_the_address_in_a_pass_leads_to_the_signed_list(city: City) -> None:
    person = city.enrol()
    headers = city.issuer.headers("citizen", person=person)
    token = city.client.post(f"/v1/people/{person}/passes", json={"kind": "shown"}, headers=headers).json()["token"]
    uri = jwt.decode(token, options={"verify_signature": False})["status"]["status_list"]["uri"]
    own = city.client.get(urlsplit(uri).path)
    assert (own.status_code, own.headers["content-type"]) == (200, "application/statuslist+jwt")
    assert jwt.decode(own.text, options={"verify_signature": False})["sub"] == uri
    named = city.client.get("/v1/status-lists/1")
    assert (own.text, own.headers["etag"]) == (named.text, named.headers["etag"])
    again = city.client.get(urlsplit(uri).path, headers={"If-None-Match": own.headers["etag"]})
    assert again.status_code == 304
    start = urlsplit(uri).path.rpartition("/")[0]
    assert city.client.get(f"{start}/7").json()["code"] == "status_list_not_found"
    assert city.client.get(f"{start}/one").status_code == 422


def test_an_unknown_list_is_not_found(city: City) -> None:
    assert city.client.get("/v1/standings/7", headers=city.issuer.headers("service")).status_code == 404
    answer = city.client.get("/v1/status-lists/7")
    assert (answer.status_code, answer.json()["code"]) == (404, "status_list_not_found")
    for number in (0, -1, 10**12, 10**30):
        assert city.client.get(f"/v1/status-lists/{number}").status_code == 404


def test_the_signed_list_is_public_and_says_where_it_is_from(city: City, database: Database) -> None:
    person = city.enrol()
    city.declare(person, symptoms=["fever"])
    answer = city.client.get("/v1/status-lists/1")
    assert answer.headers["content-type"] == "application/statuslist+jwt"
    header = jwt.get_unverified_header(answer.text)
    assert header["typ"] == "statuslist+jwt"
    key = next(key for key in city.client.get("/.well-known/jwks.json").json()["keys"] if key["kid"] == header["kid"])
    claims = jwt.decode(answer.text, ECAlgorithm.from_jwk(key), algorithms=["ES256"])  # type: ignore[arg-type]
    assert claims["sub"] == "https://guanka.example/s/1"
    assert claims["ttl"] == 60
    assert claims["status_list"]["bits"] == 2
    lst = claims["status_list"]["lst"]
    packed = zlib.decompress(base64.urlsafe_b64decode(lst + "=" * (-len(lst) % 4)))
    assert value_at(packed, entry(database, person)) == YELLOW


def test_the_signed_list_is_made_at_most_once_a_minute(city: City, clock: MovableClock) -> None:
    person = city.enrol()
    first = city.client.get("/v1/status-lists/1")
    city.declare(person)
    again = city.client.get("/v1/status-lists/1", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    clock.ahead = timedelta(seconds=61)
    later = city.client.get("/v1/status-lists/1", headers={"If-None-Match": first.headers["etag"]})
    assert later.status_code == 200
    assert int(later.headers["etag"].strip('"')) == int(first.headers["etag"].strip('"')) + 1
