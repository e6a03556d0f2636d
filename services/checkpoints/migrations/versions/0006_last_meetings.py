"""Of each contact the last meeting of each grade: a general one after a close one has a row of its own."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute("ALTER TABLE trace_contact DROP CONSTRAINT trace_contact_pkey")
    op.execute("ALTER TABLE trace_contact ADD PRIMARY KEY (trace_id, person_ref, grade)")
