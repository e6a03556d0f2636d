"""The official AsyncAPI parser takes docs/asyncapi.yaml as it is, so that others' tools can."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "asyncapi.yaml"
_ERROR, _WARNING = 0, 1
_PARSE = """
import { readFileSync } from 'node:fs';
import parsing from '@asyncapi/parser';
const { document, diagnostics } = await new parsing.Parser().parse(readFileSync(process.argv[1], 'utf8'));
const operations = document ? document.allOperations().all().map((each) => each.id()) : [];
const payloads = document ? document.allMessages().all().map((each) => each.payload()?.json('type')) : [];
console.log(JSON.stringify({ diagnostics, operations, payloads }));
"""


def parsed(page: Path) -> Any:
    assert shutil.which("node"), "Node.js is missing: the parser needs 20 or newer"
    command = ["node", "--input-type=module", "-e", _PARSE, str(page)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def faults(found: Any) -> list[str]:
    return [each["message"] for each in found["diagnostics"] if each["severity"] in (_ERROR, _WARNING)]


def test_the_official_parser_finds_nothing_and_reads_every_operation_and_payload() -> None:
    found = parsed(PAGE)
    assert faults(found) == []
    assert len(found["operations"]) >= 15
    assert set(found["payloads"]) == {"object"}


def test_a_page_that_is_wrong_is_found(tmp_path: Path) -> None:
    broken = tmp_path / "asyncapi.yaml"
    broken.write_text(PAGE.read_text().replace("action: send", "action: shout", 1))
    assert faults(parsed(broken)) != []
