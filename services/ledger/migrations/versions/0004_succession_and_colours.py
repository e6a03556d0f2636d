"""Who takes a person over, and the colour of a person that codes told last.

What is open and what became a case before this is brought along: an entry of `isolation` was opened by its colour, and
a contact whose case is still open was taken over by it.
"""

from alembic import op

revision = "0004"
down_revision = "0003"

SUCCESSION = """
ALTER TABLE entry ADD COLUMN succeeded_by uuid REFERENCES entry;
CREATE INDEX entry_by_successor ON entry (succeeded_by) WHERE succeeded_by IS NOT NULL;
-- Checked at the commit: of one entry the old evidence ends before the new one is written, for one lasts at a time.
ALTER TABLE evidence ADD COLUMN succeeded_by uuid REFERENCES evidence DEFERRABLE INITIALLY DEFERRED;
CREATE INDEX evidence_by_person ON evidence (person_ref);
UPDATE entry SET succeeded_by = later.entry_id FROM entry AS later
WHERE entry.outcome = 'became_case' AND later.ledger = 'confirmed' AND later.person_ref = entry.person_ref
  AND later.closed_at IS NULL;

-- A row is also what is locked while something is opened or closed for a person; its colour is null where none was told
-- or the last one isolates nobody.
CREATE TABLE person_colour (
    person_ref uuid PRIMARY KEY,
    colour text,
    reasons jsonb NOT NULL DEFAULT '[]'
) WITH (fillfactor = 80);
INSERT INTO person_colour (person_ref, colour)
SELECT person_ref, max(CASE WHEN ledger <> 'isolation' OR facts ->> 'colour' IS NULL THEN NULL
                            WHEN stage = 'fourteen_days' THEN 'red' ELSE 'yellow' END)
FROM entry WHERE closed_at IS NULL GROUP BY person_ref;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(SUCCESSION)
