"""Which key signs, and what keys are refused at start."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, EllipticCurve, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from chassis.settings import SettingsError
from services.codes.domain.passes import PASS_CHARACTERS_MAX, PassKind
from services.codes.domain.people import Entry
from services.codes.signing import PassPress, SigningKeys, read_signing_keys

NOW = datetime(2020, 2, 11, 8, tzinfo=UTC)


def pem(curve: EllipticCurve | None = None) -> str:
    key = generate_private_key(curve or SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def written(kid: str, not_before: str = "2020-01-01T00:00:00Z", **more: Any) -> dict[str, Any]:
    return {"kid": kid, "private_key_pem": pem(), "not_before": not_before} | more


def document() -> dict[str, list[dict[str, Any]]]:
    return {"pass": [written("p1")], "printed-pass": [written("r1")], "status-list": [written("s1")]}


def read(tmp_path: Path, content: object) -> SigningKeys:
    (tmp_path / "signing.json").write_text(json.dumps(content))
    return read_signing_keys(tmp_path / "signing.json")


def test_the_newest_key_whose_time_has_come_signs_and_all_are_published(tmp_path: Path) -> None:
    content = document()
    content["pass"] += [written("p3", "2020-02-12T08:00:00Z"), written("p2", "2020-02-10T08:00:00+08:00")]
    keys = read(tmp_path, content)
    assert keys.current("pass", NOW).kid == "p2"
    assert keys.current("pass", NOW + timedelta(days=1)).kid == "p3"
    assert {key["kid"] for key in keys.jwks()["keys"]} == {"p1", "p2", "p3", "r1", "s1"}
    with pytest.raises(LookupError):
        keys.current("pass", datetime(2019, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pass": []}, "there is no pass key"),
        ({"pass": [written("s1")]}, "two keys have the kid s1"),
        ({"pass": [written("a kid")]}, "letters, digits"),
        ({"pass": [written("x" * 17)]}, "1 to 16"),
        ({"pass": [written("p1", "2020-01-01T00:00:00")]}, "carries an offset"),
        ({"pass": [written("p1", private_key_pem=pem(SECP384R1()))]}, "P-256"),
        ({"pass": [{"kid": "p1"}]}, "not complete"),
        ({"pass": 7}, "SIGNING_KEYS_FILE"),
    ],
)
def test_keys_that_cannot_be_used_are_refused_at_start(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        read(tmp_path, document() | changes)


def test_a_file_without_a_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="SIGNING_KEYS_FILE"):
        read(tmp_path, {"pass": [written("p1")]})


def test_a_pass_ends_in_whole_seconds(tmp_path: Path) -> None:
    press = PassPress(read(tmp_path, document()), "https://guanka.example/s")
    token, ends_at = press.mint("shown", Entry(1, 7), NOW.replace(microsecond=999_999))
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["exp"] == int(ends_at.timestamp()) == int(NOW.timestamp()) + 60


def test_an_address_with_which_passes_outgrow_their_code_is_refused_at_start(tmp_path: Path) -> None:
    content = document()
    content["printed-pass"] = [written("r" * 16)]
    keys = read(tmp_path, content)
    PassPress(keys, "https://guanka.example/s").check_sizes(NOW)
    with pytest.raises(SettingsError, match=f"{PASS_CHARACTERS_MAX} are allowed"):
        PassPress(keys, "https://guanka.example/" + "s" * 27).check_sizes(NOW)


def test_passes_of_a_person_within_a_second_are_issued_a_second_apart(tmp_path: Path) -> None:
    """A gate knows a shown pass by the second of its issue, and lets in with it once."""
    press = PassPress(read(tmp_path, document()), "https://guanka.example/s")

    def issued(kind: PassKind, entry: Entry, now: datetime) -> tuple[int, int]:
        claims = jwt.decode(press.mint(kind, entry, now)[0], options={"verify_signature": False})
        return claims["iat"] - int(NOW.timestamp()), claims["exp"] - int(NOW.timestamp())

    mine, another = Entry(1, 5), Entry(1, 6)
    later = NOW + timedelta(seconds=4)
    assert [issued("shown", mine, NOW) for _ in range(3)] == [(0, 60), (-1, 59), (-2, 58)]
    assert issued("shown", another, NOW) == (0, 60)
    assert [issued("shown", mine, NOW + timedelta(seconds=1))[0] for _ in range(2)] == [1, -3]
    assert [issued("shown", mine, NOW + timedelta(seconds=3))[0] for _ in range(4)] == [3, 2, -4, -4]
    assert [issued("shown", mine, later)[0] for _ in range(2)] == [4, -3], "eight in eight seconds: one comes twice"
    assert issued("shown", mine, NOW + timedelta(minutes=1)) == (60, 120)
    assert [issued("printed", mine, NOW)[0] for _ in range(2)] == [0, 0]
