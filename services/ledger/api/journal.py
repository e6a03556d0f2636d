"""The journal for whoever wants proof: its head, and an entry's links with the chain from them to the head."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from chassis.access_log import log_looks
from chassis.auth import Bearer, needs
from chassis.collisions import DoneAgain
from services.ledger import journal
from services.ledger.api.entries import reached_entry
from services.ledger.api.forms import ProofQuery, Shown
from services.ledger.api.parts import OFFICIALS, Parts

LINKS_MAX = 5000

Reader = Annotated[Bearer, Depends(needs(*OFFICIALS, "approver", "auditor"))]


def routes(parts: Parts) -> APIRouter:
    router = APIRouter(route_class=DoneAgain, tags=["journal"])

    @router.get("/v1/journal/checkpoint")
    def read_checkpoint(_bearer: Reader) -> Shown:
        """The head of the chain; whoever keeps it can later see whether anything before it was changed."""
        with parts.database.transaction() as tx:
            head = journal.head(tx)
        return {"size": head.size, "hash": head.hash.hex(), "at": head.at}

    @router.get("/v1/journal/proof")
    def read_proof(query: Annotated[ProofQuery, Query()], bearer: Reader, request: Request) -> Shown:
        """An entry's links with salt and content, and the chain from the first of them to the head.

        commitment = SHA-256(salt || content), hash = SHA-256(previous || commitment), bytes joined, content in UTF-8;
        the first `previous` is 32 zero bytes. A long chain goes on at `from_seq` = `next_seq`.
        """
        with parts.database.transaction() as tx:
            entry = reached_entry(parts, parts.open_book(tx), bearer, query.entry)
            proof = journal.proof(tx, query.entry, from_seq=query.from_seq, links_max=LINKS_MAX)
            log_looks(tx, bearer, what="proof", route=request.scope["route"].path, persons=[entry.person_ref])
        return proof

    return router
