"""Which trouble passes by itself, and which is the caller's."""

from __future__ import annotations

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import errors
from sqlalchemy.exc import DBAPIError

from chassis.database import is_collision, is_passing, sqlalchemy_url

PASSING = [
    errors.SerializationFailure, errors.DeadlockDetected, errors.LockNotAvailable, errors.QueryCanceled,
    errors.AdminShutdown, errors.CrashShutdown, errors.CannotConnectNow, errors.TooManyConnections, errors.DiskFull,
    errors.OutOfMemory, errors.IoError, errors.ReadOnlySqlTransaction, errors.ConnectionFailure,
    errors.IdleInTransactionSessionTimeout,
]  # fmt: skip
THE_CALLERS = [
    errors.UniqueViolation, errors.NotNullViolation, errors.CheckViolation, errors.UndefinedTable,
    errors.NumericValueOutOfRange, errors.RaiseException, errors.SyntaxError, errors.InvalidTextRepresentation,
]  # fmt: skip


def wrapped(error: psycopg.Error) -> DBAPIError:
    return DBAPIError("SELECT 1", None, error)


@pytest.mark.parametrize("kind", PASSING)
def test_the_databases_own_trouble_passes_however_it_is_wrapped(kind: type[psycopg.Error]) -> None:
    assert is_passing(kind("trouble"))
    assert is_passing(wrapped(kind("trouble")))


@pytest.mark.parametrize("kind", THE_CALLERS)
def test_what_the_caller_did_wrong_does_not_pass(kind: type[psycopg.Error]) -> None:
    assert not is_passing(kind("wrong"))
    assert not is_passing(wrapped(kind("wrong")))


def test_a_lost_connection_without_a_state_passes() -> None:
    assert is_passing(wrapped(psycopg.OperationalError("the connection is closed")))
    assert is_passing(psycopg.InterfaceError("the connection is closed"))
    assert is_passing(sa.exc.TimeoutError())


def test_an_error_of_our_own_does_not_pass() -> None:
    assert not is_passing(ValueError("wrong"))
    assert not is_passing(KeyError())


@pytest.mark.parametrize("kind", PASSING)
def test_only_a_collision_may_be_tried_again_at_once(kind: type[psycopg.Error]) -> None:
    collisions = (errors.SerializationFailure, errors.DeadlockDetected, errors.LockNotAvailable)
    assert is_collision(wrapped(kind("trouble"))) is (kind in collisions)


def test_sqlalchemy_is_told_the_driver() -> None:
    assert sqlalchemy_url("postgresql://a@/b?host=/c") == "postgresql+psycopg://a@/b?host=/c"
