"""What the scan log asks PostgreSQL: one statement records a group, and settles which scan used up which pass.

A group is given as one JSON array. `used` claims the passes of those who are let in (domain/reuse.py): the unique key
of `used_pass` decides between all processes, and the row that is there tells who was first. `recorded` inserts the
scans, decided accordingly, each with its person by the table `holder`; `told` puts an event into the outbox for each
new one.

A gate that does not let in a pass that it has just let in ends the repeats of that use: `ended` dates the row that is
there, and what is read after that is decided anew.

All claims and ends come before all scans, each in the order of its key: else two processes with the same passes or the
same copies deadlock. (`recorded` sorts what it inserts, so it has read all of `used` before it inserts the first.)

Next to no group has a pass that was used up, or a scan that was recorded. So it is first written as if it had none: a
unique key that is looked for before each insert costs a tenth of the statement. Where that fails, nothing is written,
and the same group is written again with the look (`looks_first`).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product, starmap
from typing import NamedTuple

from services.checkpoints.domain.reuse import REPEAT_S
from services.checkpoints.domain.scans import Scan
from services.checkpoints.store.used_passes import SLOT_S, SLOTS

EVENT_TYPE = "guanka.checkpoints.v1.ScanRecorded"
AGGREGATE_TYPE = "scan"

COLUMNS = (
    ("scan_id", "uuid"),
    ("checkpoint_id", "uuid"),
    ("scanned_at", "timestamptz"),
    ("recorded_at", "timestamptz"),
    ("person_ref", "uuid"),
    ("list", "integer"),
    ("idx", "integer"),
    ("vehicle_ref", "uuid"),
    ("decision", "text"),
    ("colour", "text"),
    ("refusal", "text"),
    ("policy_version", "text"),
    ("board_revision", "bigint"),
    ("direction", "text"),
    ("temperature_c", "real"),
    ("offline_decision", "text"),
    ("offline_refusal", "text"),
    ("offline_policy_version", "text"),
    ("offline_list_revision", "bigint"),
    ("is_self_reported", "boolean"),
    ("digest", "bytea"),
    ("pass_iat", "bigint"),
    ("gate_said_at", "timestamptz"),
)
_GIVEN = (*COLUMNS, ("as_reused", "text"), ("payload", "bytea"), ("headers", "jsonb"))
_HOLDER = "coalesce(person_ref, (SELECT h.person_ref FROM holder AS h WHERE h.list = g.list AND h.idx = g.idx))"
_GIVEN_ROWS = f"""
WITH given AS (
    SELECT *, direction IS NOT DISTINCT FROM 'out' AS is_out, {_HOLDER} AS holder
    FROM json_to_recordset(%s::json) AS g ({", ".join(f"{name} {kind}" for name, kind in _GIVEN)})
)"""  # noqa: S608 (names of our own columns)

_VALUES = {name: f"g.{name}" for name, _ in COLUMNS} | {"person_ref": "g.holder"}

_SLOT = f"(%s / {SLOT_S} %% {SLOTS})::smallint"
_KEY = "list, idx, iat, is_out"
_USED = f""", used AS (
    INSERT INTO used_pass AS u (slot, {_KEY}, scan_id, checkpoint_id, used_at)
    SELECT DISTINCT ON (list, idx, pass_iat, is_out)
           {_SLOT.replace("%s", "pass_iat")}, list, idx, pass_iat, is_out, scan_id, checkpoint_id, scanned_at
    FROM given WHERE as_reused IS NOT NULL ORDER BY list, idx, pass_iat, is_out, scan_id
    ON CONFLICT (slot, {_KEY}) DO UPDATE SET scan_id = u.scan_id
    RETURNING {_KEY}, scan_id, checkpoint_id, used_at, ended_at
)"""  # noqa: S608 (names of our own columns)
"""The update changes nothing; it returns the row that is there, also one that was written since the statement began."""

_USE_OF = """given AS g LEFT JOIN used AS u
         ON g.as_reused IS NOT NULL AND (u.list, u.idx, u.iat, u.is_out) = (g.list, g.idx, g.pass_iat, g.is_out)"""
_IS_SECOND = "u.scan_id <> g.scan_id"
_IS_REPEAT = f"""{_IS_SECOND} AND u.checkpoint_id = g.checkpoint_id
             AND g.scanned_at - u.used_at BETWEEN interval '-{REPEAT_S} s' AND interval '{REPEAT_S} s'
             AND coalesce(g.scanned_at < u.ended_at, true)"""
_IS_REUSE = f"{_IS_SECOND} AND g.offline_decision IS NULL AND NOT ({_IS_REPEAT})"
_SETTLED = _VALUES | {
    "decision": f"CASE WHEN {_IS_REUSE} THEN g.as_reused ELSE g.decision END",
    "refusal": f"CASE WHEN {_IS_REUSE} THEN 'pass_reused' ELSE g.refusal END",
    "repeat_of": f"CASE WHEN {_IS_REPEAT} THEN u.scan_id END",
}

_PERSON_FIELD = r"\x820124"
"""Field 16 of ScanRecorded, 36 bytes of text follow: fields of protobuf messages may be put one after the other."""
_REPEAT_FIELD = r"\xaa0124"
"""Field 21, of 36 bytes."""
_DECISION_FIELD, _REUSED_FIELD = r"\x3a", r"\x4a0b706173735f726575736564"
"""Field 7, its length follows, and field 9 with `pass_reused`; of a field that comes twice the last one counts."""
_PERSON = f"coalesce('{_PERSON_FIELD}'::bytea || convert_to(r.person_ref::text, 'UTF8'), '')"
_SECOND = f"""CASE WHEN r.repeat_of IS NOT NULL THEN '{_REPEAT_FIELD}'::bytea || convert_to(r.repeat_of::text, 'UTF8')
                WHEN r.refusal = 'pass_reused' AND g.refusal IS NULL THEN
                     '{_DECISION_FIELD}'::bytea || set_byte('\\x00', 0, length(r.decision))
                     || convert_to(r.decision, 'UTF8') || '{_REUSED_FIELD}'::bytea
                ELSE '' END"""


_CLAIMED = f""", used AS (
    INSERT INTO used_pass (slot, {_KEY}, scan_id, checkpoint_id, used_at)
    SELECT {_SLOT.replace("%s", "pass_iat")}, list, idx, pass_iat, is_out, scan_id, checkpoint_id, scanned_at
    FROM given WHERE as_reused IS NOT NULL ORDER BY list, idx, pass_iat, is_out
    RETURNING 1
)"""  # noqa: S608 (names of our own columns)

_WAS_LET_IN = f"""(SELECT true FROM used_pass AS u WHERE u.slot = {_SLOT.replace("%s", "g.pass_iat")}
            AND (u.list, u.idx, u.iat, u.is_out) = (g.list, g.idx, g.pass_iat, g.is_out)
            AND u.checkpoint_id = g.checkpoint_id
            AND u.used_at BETWEEN g.scanned_at - interval '{REPEAT_S} s' AND g.scanned_at
            FOR UPDATE)"""  # noqa: S608 (names of our own columns)
_ENDED = f""", ended AS (
    INSERT INTO used_pass AS u (slot, {_KEY}, scan_id, checkpoint_id, used_at, ended_at)
    SELECT DISTINCT ON (list, idx, pass_iat, is_out) {_SLOT.replace("%s", "pass_iat")}, list, idx, pass_iat, is_out,
           scan_id, checkpoint_id, scanned_at, scanned_at
    FROM given AS g
    WHERE pass_iat IS NOT NULL AND as_reused IS NULL AND coalesce(offline_decision, decision) <> 'pass'
      AND {_WAS_LET_IN}
    ORDER BY list, idx, pass_iat, is_out, scanned_at
    ON CONFLICT (slot, {_KEY}) DO UPDATE SET ended_at = least(u.ended_at, excluded.ended_at)
    RETURNING 1
)"""  # noqa: S608 (names of our own columns)
"""The row is there, locked by the look, so nothing is inserted: an insert finds it by its key, whatever the planner
thinks of joins. The look is a value and no EXISTS, which would become a join with the whole table."""
_AFTER_USED, _AFTER_ENDED = "(SELECT count(*) FROM used) >= 0", "(SELECT count(*) FROM ended) >= 0"


def _record_as_new(*, has_claims: bool, has_ends: bool) -> str:
    """As `_record`, for a group in which nothing is found to be there; a unique violation where something is.

    All of the group is new then, so nothing has to be asked back. The counts only say what comes before what: claims
    before scans, and a scan before its event, whose number is taken when the transaction has an id (chassis/outbox.py).
    """
    first = _CLAIMED * has_claims + _ENDED * has_ends
    condition = " AND ".join([_AFTER_USED] * has_claims + [_AFTER_ENDED] * has_ends) or "true"
    return f"""{_GIVEN_ROWS}{first}, recorded AS (
    INSERT INTO scan ({", ".join(_VALUES)})
    SELECT {", ".join(_VALUES.values())} FROM given AS g WHERE {condition}
    RETURNING 1
), told AS (
    INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, headers)
    SELECT scan_id, '{AGGREGATE_TYPE}', coalesce(holder, scan_id)::text, '{EVENT_TYPE}',
           payload || {_PERSON.replace("r.person_ref", "holder")}, headers
    FROM given WHERE (SELECT count(*) FROM recorded) >= 0
)"""  # noqa: S608 (names of our own columns)


def _record(*, has_claims: bool, has_ends: bool) -> str:
    values, found = (_SETTLED, _USE_OF) if has_claims else (_VALUES, "given AS g")
    returned = "scan_id, person_ref, decision, refusal, repeat_of" if has_claims else "scan_id, person_ref"
    payload = f"g.payload || {_PERSON} || {_SECOND}" if has_claims else f"g.payload || {_PERSON}"
    first, condition = _USED * has_claims + _ENDED * has_ends, _AFTER_ENDED if has_ends else "true"
    return f"""{_GIVEN_ROWS}{first}, recorded AS (
    INSERT INTO scan ({", ".join(values)})
    SELECT {", ".join(values.values())} FROM {found} WHERE {condition} ORDER BY g.scan_id
    ON CONFLICT (scan_id) DO NOTHING
    RETURNING {returned}
), told AS (
    INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, headers)
    SELECT g.scan_id, '{AGGREGATE_TYPE}', coalesce(r.person_ref, r.scan_id)::text, '{EVENT_TYPE}',
           {payload}, g.headers
    FROM recorded AS r JOIN given AS g USING (scan_id)
)"""  # noqa: S608 (names of our own columns)


_DATED = """, dated AS (
    INSERT INTO scan_with_clock_off (scan_id, scanned_at)
    SELECT g.scan_id, g.scanned_at FROM {} WHERE g.gate_said_at IS NOT NULL
)"""


class Kind(NamedTuple):
    """The kind of a group's statement.

    `has_claims`: any scan claims a pass. `has_ends`: any shows a pass and is not let in. `has_clocks_off`: any gate's
    clock is off. Other groups pay for none of these.
    `looks_first`: a row that is there already is found, and is no error.
    """

    has_claims: bool
    has_ends: bool
    has_clocks_off: bool
    looks_first: bool


def record(kind: Kind) -> str:
    """The statement of a group, given in the order of `scan_id`.

    Where it looks first it returns (scan_id, refusal) of each new scan, else nothing.
    """
    passes = {"has_claims": kind.has_claims, "has_ends": kind.has_ends}
    if not kind.looks_first:
        dated = _DATED.format("given AS g") if kind.has_clocks_off else ""
        return f"{_record_as_new(**passes)}{dated}\nSELECT WHERE false\n"
    dated = _DATED.format("recorded AS r JOIN given AS g USING (scan_id)") if kind.has_clocks_off else ""
    refusal = "refusal" if kind.has_claims else "NULL"
    return f"{_record(**passes)}{dated}\nSELECT scan_id::text, {refusal} FROM recorded\n"


RECORD = {kind: record(kind) for kind in starmap(Kind, product((False, True), repeat=4))}

FIRST_ANSWERS = """
SELECT scan_id, digest, list, idx, pass_iat, direction, decision, colour, refusal, policy_version, board_revision,
       recorded_at
FROM scan WHERE scan_id = ANY(%s)
"""

GIVE_BACK = f"""
DELETE FROM used_pass AS u
USING unnest(%s::integer[], %s::integer[], %s::bigint[], %s::boolean[], %s::uuid[]) AS g ({_KEY}, scan_id)
WHERE u.slot = {_SLOT.replace("%s", "g.iat")}
  AND (u.list, u.idx, u.iat, u.is_out, u.scan_id) = (g.list, g.idx, g.iat, g.is_out, g.scan_id)
"""  # noqa: S608 (names of our own columns)
"""Claims of scans that have let nobody in."""


def given_back(scans: Iterable[Scan]) -> tuple[list[object], ...] | None:
    """What `GIVE_BACK` is asked with; None where none of the scans claims a pass."""
    claims = [
        (scan.entry.list, scan.entry.idx, scan.use.issued_at_s, scan.attempt.direction == "out", scan.attempt.scan_id)
        for scan in scans
        if scan.use is not None and scan.use.as_reused is not None and scan.entry is not None
    ]
    return tuple(list(column) for column in zip(*claims, strict=True)) if claims else None
