"""Stays and risks outside the city stand under the digits that all areas within begin with: 420100 becomes 4201."""

from alembic import op

revision = "0002"
down_revision = "0001"

UPGRADE = """
UPDATE stay SET area = regexp_replace(area, '(00){1,2}$', '') WHERE area ~ '^[0-9]{4}00$';
INSERT INTO area_risk (area, level, evidence_id, observed_at)
SELECT DISTINCT ON (regexp_replace(area, '(00){1,2}$', ''))
       regexp_replace(area, '(00){1,2}$', ''), level, evidence_id, observed_at
FROM area_risk WHERE area ~ '^[0-9]{4}00$'
ORDER BY regexp_replace(area, '(00){1,2}$', ''), observed_at DESC
ON CONFLICT (area) DO UPDATE SET
    level = excluded.level, evidence_id = excluded.evidence_id, observed_at = excluded.observed_at
WHERE area_risk.observed_at <= excluded.observed_at;
DELETE FROM area_risk WHERE area ~ '^[0-9]{4}00$';
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UPGRADE)
