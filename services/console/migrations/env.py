"""Alembic's entry for the console's database."""

from alembic import context

from chassis.migrations import run_migrations

run_migrations(context.config)
