"""Who is calling: bearer JWTs with roles, an area of the tree, and bindings (http contract, "Tokens").

An official's token is bound to one node of the area tree and sees its subtree; codes of the tree begin with their
parent's, so "in my subtree" is a prefix.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import jwt
from fastapi import Request, Security
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from chassis.issuer_keys import IssuerKeys, NoKeys
from chassis.problems import Problem
from chassis.texts import is_plain

ROLES = frozenset(
    [
        "citizen",
        "gate",
        "device",
        "community",
        "operator",
        "approver",
        "authority",
        "employer",
        "district",
        "auditor",
        "service",
    ]
)
SERVICE = "service"
ASKING_FOR = " for "
"""Stands in the log of looks between a service and whom it asks for, so no subject holds it."""
_SUBJECT_CHARACTERS_MAX = 200
_CACHE_S = 60.0
_CACHED_MAX = 20_000
_TOKEN_CHARACTERS_MAX = 4096
IsArea = Callable[[str], bool]
_UNREADABLE = (jwt.PyJWTError, ValueError, TypeError, AttributeError, OverflowError, RecursionError)
"""What a token can do to those who read it, the last by brackets within brackets."""


@dataclass(frozen=True, slots=True)
class Bearer:
    """The holder of a verified token. `area` is a node of the tree, empty for a citizen; `expires_at` Unix seconds.

    `scopes` name what a service may do (claim `scope`, RFC 9068: words with spaces between).
    """

    subject: str
    roles: frozenset[str]
    area: str
    person_ref: UUID | None
    checkpoints: frozenset[str]
    expires_at: float
    scopes: frozenset[str] = frozenset()

    def has_role(self, *roles: str) -> bool:
        return not self.roles.isdisjoint(roles)

    def can_see_area(self, area: str) -> bool:
        return bool(self.area) and area.startswith(self.area)

    def is_person(self, person_ref: UUID) -> bool:
        return "citizen" in self.roles and self.person_ref == person_ref


BEARER = "bearer"
BEARER_SCHEME: dict[str, Any] = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "A token of the city's issuer. `guanka token ROLE` prints one of the embedded product.",
}
"""The security scheme in OpenAPI, and its name there."""


def unauthenticated(detail: str, code: str = "unauthenticated") -> Problem:
    return Problem(401, code, detail, headers={"WWW-Authenticate": "Bearer"})


class TokenReader:
    """Verifies bearer tokens with the issuer's keys (`issuer_keys.py`).

    A verified token is remembered until it expires, or 60 seconds, so that a gate's token costs one signature a minute.
    With `is_area` a token whose claim `area` is no node of the tree is refused: as a prefix it would open what nobody
    meant.
    """

    def __init__(
        self,
        jwks: str,
        *,
        issuer: str,
        audience: str,
        refresh_s: float = 300.0,
        is_area: IsArea | None = None,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._keys, self._is_area = IssuerKeys(jwks, refresh_s=refresh_s, trust=trust), is_area
        self._issuer, self._audience = issuer, audience
        self._verified: dict[str, tuple[float, Bearer]] = {}

    def read(self, authorization: str | None) -> Bearer:
        """The bearer of an `Authorization` header. Raises a `Problem`: 401, or 503 while no key is known."""
        return self.read_until(authorization)[1]

    def read_until(self, authorization: str | None) -> tuple[float, Bearer]:
        """The bearer, and until when (Unix seconds) it may be taken as read."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise unauthenticated("Send `Authorization: Bearer <token>`.")
        now = time.time()
        known = self._verified.get(token)
        if known is not None and now < known[0]:
            return known
        bearer = self._verify(token)
        if len(self._verified) >= _CACHED_MAX:
            self._verified.clear()
        verified = self._verified[token] = (min(bearer.expires_at, now + _CACHE_S), bearer)
        return verified

    def _verify(self, token: str) -> Bearer:
        if len(token) > _TOKEN_CHARACTERS_MAX:
            raise unauthenticated("The token is longer than any this service accepts.")
        try:
            key = self._keys.get(jwt.get_unverified_header(token).get("kid"))
            if key is None:
                raise unauthenticated("The token was signed by a key that this service does not know.")
            claims = jwt.decode(
                token,
                key,
                algorithms=["ES256"],
                issuer=self._issuer,
                audience=self._audience,
                options={"require": ["iss", "aud", "sub", "exp"], "strict_aud": False},
            )
            bearer = bearer_of(claims)
            if bearer.area and self._is_area is not None and not self._is_area(bearer.area):
                raise Problem(
                    403, "area_claim_unknown", "The claim `area` of your token is no node of the city's area tree."
                )
            return bearer
        except NoKeys:
            raise Problem(
                503,
                "issuer_unavailable",
                "The issuer's keys could not be read yet; nobody is known here. Try again.",
                headers={"Retry-After": "5"},
            ) from None
        except jwt.ExpiredSignatureError:
            raise unauthenticated("The token has expired; ask its issuer for a new one.", "token_expired") from None
        except _UNREADABLE as error:
            raise unauthenticated(f"The token is not valid ({type(error).__name__}).") from None


def bearer_of(claims: Mapping[str, Any]) -> Bearer:
    """The claims as a `Bearer`. Raises ValueError on a claim of the wrong type."""
    person = _text(claims, "person_ref")
    return Bearer(
        subject=_subject(claims),
        roles=frozenset(_texts(claims, "roles")) & ROLES,
        area=_text(claims, "area"),
        person_ref=UUID(person) if person else None,
        checkpoints=frozenset(_texts(claims, "checkpoints")),
        expires_at=float(claims["exp"]),
        scopes=frozenset(_text(claims, "scope").split()),
    )


def _subject(claims: Mapping[str, Any]) -> str:
    """One line in logs, no longer than that, of characters that are seen: two that look the same are the same."""
    subject = _text(claims, "sub", characters_min=1)
    if len(subject) > _SUBJECT_CHARACTERS_MAX or not subject.isprintable() or " ".join(subject.split()) != subject:
        raise ValueError("sub is not printable, or too long")
    if not is_plain(subject):
        raise ValueError("sub holds what looks like something else")
    if ASKING_FOR in subject:
        raise ValueError(f"sub holds `{ASKING_FOR}`, by which the log of looks joins two subjects")
    return subject


def _text(claims: Mapping[str, Any], name: str, *, characters_min: int = 0) -> str:
    value = claims.get(name)
    if value is None and characters_min == 0:
        return ""
    if not isinstance(value, str) or len(value) < characters_min:
        raise ValueError(f"{name} is not a text")
    return value


def _texts(claims: Mapping[str, Any], name: str) -> list[str]:
    values = claims.get(name)
    if values is None:
        return []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"{name} is not a list of texts")
    return values


class _Scheme(SecurityBase):
    """Lets OpenAPI say which endpoints need a bearer; it reads nothing itself."""

    def __init__(self) -> None:
        self.scheme_name = BEARER
        self.model = HTTPBearer.model_validate(BEARER_SCHEME)

    async def __call__(self) -> None:
        return None


_SCHEME = _Scheme()


def needs(*roles: str, scope: str | None = None) -> Callable[..., Awaitable[Bearer]]:
    """A FastAPI dependency: the bearer, who must have one of the roles (403 otherwise).

    A bearer who comes as `service` alone must have a token that names the scope too.
    """
    officials = [role for role in roles if role != SERVICE]
    assert scope is not None or SERVICE not in roles, "what a service may do here has a name"

    async def bearer_with_role(request: Request, _scheme: Annotated[None, Security(_SCHEME)]) -> Bearer:
        bearer: Bearer = request.app.state.token_reader.read(request.headers.get("authorization"))
        if not bearer.has_role(*roles):
            raise Problem(403, "role_missing", f"This needs one of the roles {', '.join(sorted(roles))}.")
        if not bearer.has_role(*officials) and scope not in bearer.scopes:
            raise Problem(403, "scope_missing", f"A service needs a token whose claim `scope` names `{scope}`.")
        return bearer

    return bearer_with_role


def outside(bearer: Bearer) -> Problem:
    """A refusal that names no area but the bearer's own."""
    return Problem(403, "area_refused", f"Your token reaches {bearer.area or 'no area'} only; this lies elsewhere.")


def require_area(bearer: Bearer, area: str) -> None:
    """Raises a `Problem` with status 403 when `area` lies outside the bearer's subtree."""
    if not bearer.can_see_area(area):
        raise outside(bearer)


@contextmanager
def hiding(bearer: Bearer, root: str, *missing: type[Exception]) -> Iterator[None]:
    """Refuse what is not there as what lies elsewhere: only a bearer of the whole tree may know the difference.

    `root` is the node of the whole tree, `missing` the errors that say that there is nothing.
    """
    try:
        yield
    except missing:
        if bearer.can_see_area(root):
            raise
        raise outside(bearer) from None
