"""What the demo tells is whole in a terminal of 80 columns, and in a file."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from guanka.demo.telling import tell_chain, tell_checks
from guanka.demo.witness import Chain, Seen

EVIDENCE = "01a226d4-ce18-75ff-bb5f-4518caf2c536"
PERSON = "01a226d4-0000-75ff-bb5f-4518caf2c536"
REASON = {
    "rule": "general_contact",
    "rule_set": "hangzhou-2020@1",
    "text_zh": "确诊病例的一般接触者，自最后一次接触起七天",
    "text_en": "General contact of a confirmed case, seven days from the last contact",
}
CONTACT = {"person_ref": PERSON, "grade": "GRADE_GENERAL", "kind": "metro", "apart_s": 3.0}


def seen(_type: str, **data: object) -> Seen:
    return Seen(0.0, "id", _type, "subject", data)


CHAIN = Chain(
    traced=seen("ContactsTraced", contacts=[CONTACT], tracing_rule="default@1"),
    opened=seen("EntryOpened", ledger="general_contact", stage="found", owner="440105015119"),
    evidence=seen("EvidenceFound", kind="general_contact", evidence_id=EVIDENCE, entry_id=PERSON),
    coloured=seen("ColourChanged", colour="COLOUR_YELLOW", reasons=[REASON]),
    standing=seen("StandingsChanged", list=1, revision=2982),
    refused=seen(
        "ScanRecorded",
        decision="stop",
        colour="yellow",
        policy_version="default@1",
        board_revision=2982,
        person_ref=PERSON,
    ),
    alarm=seen("AlarmRaised", kind="person_stopped", owner="440105015119", area="440111020"),
)


@pytest.mark.parametrize("terminal", [True, False])
def test_the_proof_is_whole_at_80_columns_and_when_it_is_piped(terminal: bool) -> None:
    shown = io.StringIO()
    tell_chain(Console(file=shown, width=80, force_terminal=terminal, highlight=False, color_system=None), CHAIN)
    lines = shown.getvalue().splitlines()
    assert all(_columns(line) <= 80 for line in lines)
    said = re.sub(r"[\s│├└─]", "", shown.getvalue())
    for whole in (EVIDENCE, PERSON, *REASON.values(), "by the tracing rule default@1", "gate in 440111020"):
        assert whole.replace(" ", "") in said


def _columns(line: str) -> int:
    from rich.cells import cell_len

    return cell_len(line.rstrip())


def test_the_path_of_the_report_can_be_opened_where_the_command_was_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = tmp_path / "build" / "reports" / "demo.json"
    report.parent.mkdir(parents=True)
    report.write_text("{}")
    figures = {"scans_sent": 1.0, "scans_stored": 1.0, "scans_in_log": 1.0}
    (tmp_path / "elsewhere").mkdir()
    for where in (tmp_path, tmp_path / "elsewhere"):
        monkeypatch.chdir(where)
        shown = io.StringIO()
        tell_checks(Console(file=shown, width=80, highlight=False), {"no_scan_lost": True}, figures, report)
        told = shown.getvalue().rpartition("written to ")[2].strip()
        assert Path(told).read_text() == "{}"
