from alembic import context

from chassis.migrations import run_migrations

run_migrations(context.config)
