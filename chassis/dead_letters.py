"""Dead letters: messages that their handler refused again and again, kept with the error, and replayed when mended."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import sqlalchemy as sa
import structlog
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import JSONB

from chassis.database import Database
from chassis.event_log import Received
from chassis.inbox import handle_messages
from chassis.message import Subscription, message_of
from chassis.redaction import error_text
from chassis.telemetry import meter

log = structlog.get_logger("consumer")

dead_letter = sa.table(
    "dead_letter",
    *(sa.column(name) for name in ("dead_letter_id", "topic", "partition", "record_offset", "key", "value")),
    sa.column("headers", JSONB),
    *(sa.column(name) for name in ("error", "attempts", "put_aside_at", "replayed_at")),
)

_put_aside = meter.create_counter("consumer_dead_letters", description="messages put aside, by topic")


def put_aside(tx: Connection, record: Received, error: Exception, *, attempts: int) -> None:
    """Keep the record as it came, and why; whatever PostgreSQL's text cannot hold is marked in it."""
    tx.execute(
        sa.insert(dead_letter),
        {
            "topic": record.topic,
            "partition": record.partition,
            "record_offset": record.offset,
            "key": _text(record.key),
            "value": record.value,
            "headers": [[_text(name), base64.b64encode(value or b"").decode()] for name, value in record.headers],
            "error": _text(error_text(error)),
            "attempts": attempts,
        },
    )
    _put_aside.add(1, {"topic": record.topic})
    log.error("a message was put aside", topic=record.topic, offset=record.offset, error=type(error).__name__)


def dead_letters_waiting(tx: Connection) -> int:
    """How many nobody has replayed yet."""
    waiting = sa.select(sa.func.count()).select_from(dead_letter).where(dead_letter.c.replayed_at.is_(None))
    return int(tx.execute(waiting).scalar_one())


def replay(database: Database, subscriptions: Sequence[Subscription], dead_letter_id: int) -> bool:
    """Apply a dead letter again, in a transaction of its own; False when it had been replayed or does not exist.

    Raises what the handler raises, `MalformedMessage`, or LookupError when the service takes nothing of its topic; the
    dead letter then stays.
    """
    by_topic = {subscription.topic: subscription for subscription in subscriptions}
    with database.transaction() as tx:
        row = tx.execute(
            sa.select(dead_letter)
            .where(dead_letter.c.dead_letter_id == dead_letter_id, dead_letter.c.replayed_at.is_(None))
            .with_for_update()
        ).one_or_none()
        if row is None:
            return False
        headers = tuple((name, base64.b64decode(value)) for name, value in row.headers)
        record = Received(row.topic, row.partition, row.record_offset, row.key, bytes(row.value), headers, 0)
        handle_messages(tx, by_topic[row.topic], [message_of(record)])
        tx.execute(
            sa.update(dead_letter)
            .where(dead_letter.c.dead_letter_id == dead_letter_id)
            .values(replayed_at=sa.func.now())
        )
    return True


def _text(text: str) -> str:
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
