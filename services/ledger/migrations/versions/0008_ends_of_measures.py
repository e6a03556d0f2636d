"""When the measure of a contact ends, which its deadline may not say: a placing that is late has an earlier one."""

from alembic import op

revision = "0008"
down_revision = "0007"

ENDS = """
ALTER TABLE entry
    ADD COLUMN ends_at timestamptz,
    -- The end that the timer has dealt with.
    ADD COLUMN seen_end timestamptz;
-- 14 and 7 days, as close_contact@2 and general_contact@2 count them, which keep all that is open.
UPDATE entry
SET ends_at = coalesce((facts ->> 'met_at')::timestamptz, opened_at)
    + CASE ledger WHEN 'close_contact' THEN interval '14 days' ELSE interval '7 days' END
WHERE closed_at IS NULL AND ledger IN ('close_contact', 'general_contact');
CREATE INDEX entry_by_end ON entry (ends_at) WHERE closed_at IS NULL AND seen_end IS DISTINCT FROM ends_at;
"""


def upgrade() -> None:
    op.execute(ENDS)
