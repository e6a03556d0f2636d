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
    """`by_name` maps a word to what it starts, which returns the exit status; `migrations` is the service's folder.

    `prepare` makes what the tables need besides, of a database by its URL; for the rest see rights.py.
    """

    service: str
    by_name: Mapping[str, Command]
    replay: Callable[[int], int]
    migrations: Path
    worker_owns: Sequence[str] = ()
    worker_empties: Sequence[str] = ()
    prepare: Callable[[str], object] = lambda _url: None

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
        """Bring the service's own database to this version's tables; needs only `DATABASE_URL`.

        Where the roles of api and worker are named, they get their rights.
        """
        from chassis.migrations import migrate
        from chassis.rights import give_rights

        settings = read_settings(DatabaseSettings, os.environ)
        migrate(settings.database_url, self.migrations)
        if settings.database_api_role is not None and settings.database_worker_role is not None:
            self.prepare(settings.database_url)
            give_rights(
                settings.database_url,
                api=settings.database_api_role,
                worker=settings.database_worker_role,
                worker_owns=self.worker_owns,
                worker_empties=self.worker_empties,
            )
        return 0
