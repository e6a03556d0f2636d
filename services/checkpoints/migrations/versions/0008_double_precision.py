"""Temperatures and accuracies are kept as they were sent: a `real` holds seven digits, and a repeat was taken for new.

The text of a `real` is the shortest decimal that it stands for, so what was sent as 0.3 is 0.3 again. Scans stay as
they are: their repeats are told by a digest of what was sent, and the table is too large to be written anew.
"""

from alembic import op

revision = "0008"
down_revision = "0007"

COLUMNS = (
    ("device", "accuracy_c"),
    ("device_trouble", "deviation_c"),
    ("reading", "temperature_c"),
    ("registration", "temperature_c"),
    ("measurement_case", "temperature_c"),
    ("measurement_case", "remeasured_c"),
)


def upgrade() -> None:
    for table, column in COLUMNS:
        op.execute(f"ALTER TABLE {table} ALTER {column} TYPE double precision USING {column}::text::double precision")
