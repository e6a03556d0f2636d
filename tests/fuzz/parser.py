"""The pass parser under atheris, a fuzzer that is guided by coverage: `make fuzz` runs it for a minute.

It starts from good passes and from what it found before (build/fuzz-corpus). What it finds must be refused, or be one
of the good passes.
"""

from __future__ import annotations

import random
import sys
from datetime import UTC, datetime

import atheris

with atheris.instrument_imports(include=["services.checkpoints.key_ring", "services.checkpoints.domain.passes"]):
    from services.checkpoints.key_ring import KeyRing

from services.checkpoints.domain.scans import Refusal
from tests.fuzz.passes import NOW_S, Mint
from tests.running import ROOT

CORPUS = ROOT / "build" / "fuzz-corpus"
AT = datetime.fromtimestamp(NOW_S, UTC)


def main(arguments: list[str]) -> None:
    mint = Mint(random.Random(1))
    ring, good = mint.ring(), set(mint.good)
    assert isinstance(ring, KeyRing)

    def read(data: bytes) -> None:
        token = data.decode("utf-8", "surrogateescape")
        if not isinstance(ring.read(token, AT), Refusal) and token not in good:
            raise AssertionError(f"accepted: {token}")

    CORPUS.mkdir(parents=True, exist_ok=True)
    for number, token in enumerate(mint.good):
        (CORPUS / f"good-{number}").write_text(token)
    atheris.Setup([sys.argv[0], str(CORPUS), *arguments], read)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
