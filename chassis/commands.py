"""The commands of a service: `api`, `worker`, `republish`, what it has besides, `migrate` and `replay ID`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chassis.settings import DatabaseSettings, SettingsError, read_settings

Command = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Commands:
    """`by_name` maps a word to what it starts, which returns the exit status; `migrations` is the service's folder."""

    service: str
    by_name: Mapping[str, Command]
    replay: Callable[[int], int]
    migrations: Path

    def run(self, arguments: Sequence[str]) -> int:
        """The exit status: 2 where the command or the settings cannot be used, 1 where the database cannot now.

        What to do stands on standard error.
        """
        from sqlalchemy.exc import OperationalError

        try:
            match arguments:
                case ["migrate"]:
                    return self._migrate()
                case ["replay", number] if number.isdigit():
                    return self.replay(int(number))
                case [name] if name in self.by_name:
                    return self.by_name[name]()
        except SettingsError as error:
            print(error, file=sys.stderr)
            return 2
        except OperationalError as error:
            print(f"DATABASE_URL: the database cannot be used now; nothing was changed. {error.orig}", file=sys.stderr)
            return 1
        print(f"usage: python -m services.{self.service}.main {self._words()}", file=sys.stderr)
        return 2

    def _words(self) -> str:
        return "|".join([*self.by_name, "migrate", "replay ID"])

    def _migrate(self) -> int:
        """Bring the service's own database to this version's tables; needs only `DATABASE_URL`."""
        from chassis.migrations import migrate

        migrate(read_settings(DatabaseSettings, os.environ).database_url, self.migrations)
        return 0
