"""Every name and phone that was written down of a person, in which area, by whom and why."""

from alembic import op

revision = "0007"
down_revision = "0006"

NAMINGS = """
CREATE TABLE naming (
    naming_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person_ref uuid NOT NULL,
    -- first: it stood for a time; other: another one stood, it was written down beside; correction: it replaced one.
    kind text NOT NULL CHECK (kind IN ('first', 'other', 'correction')),
    area text COLLATE "C" NOT NULL,
    -- Sealed, as in person; null where nothing was written.
    name bytea,
    phone bytea,
    reason text,
    named_by text NOT NULL,
    named_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX naming_by_person ON naming (person_ref, naming_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON naming
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- What stands today came with the person's entries; the area of the first of them is taken for where.
INSERT INTO naming (person_ref, kind, area, name, phone, named_by, named_at)
SELECT p.person_ref, 'first', e.area, p.name, p.phone, s.made_by, p.updated_at
FROM person AS p
JOIN LATERAL (SELECT entry_id, area FROM entry WHERE person_ref = p.person_ref ORDER BY entry_id LIMIT 1) AS e ON true
JOIN step AS s ON s.entry_id = e.entry_id AND s.version = 1;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(NAMINGS)
