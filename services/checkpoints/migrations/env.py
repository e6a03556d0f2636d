"""Alembic's entry: the chassis runs the migrations."""

from alembic import context

from chassis.migrations import run_migrations

run_migrations(context.config)
