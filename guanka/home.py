"""Where a running product keeps its state: `.guanka/` beside the repository, or `GUANKA_HOME`."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "data" / "guangzhou"


class NotRunning(Exception):
    """Guanka is not running here; start it with `make run`."""


class AlreadyRunning(Exception):
    """Guanka is running here already."""


_AGAIN = "If Guanka runs, stop it with `make stop`; then start it with `make run`."


@dataclass(frozen=True, slots=True)
class Home:
    """The state directory; everything in it survives a stop, but `run.json`, which tells of the running product."""

    path: Path

    @property
    def keys(self) -> Path:
        return self.path / "keys"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def run_file(self) -> Path:
        return self.path / "run.json"

    @property
    def lock_file(self) -> Path:
        return self.path / "lock"

    def running(self) -> dict[str, Any]:
        """What `run.json` says. Raises `NotRunning`, also where it says nothing that a command can use."""
        try:
            document: Any = json.loads(self.run_file.read_text())
        except FileNotFoundError:
            raise NotRunning(f"{NotRunning.__doc__} (no {self.run_file})") from None
        except (OSError, ValueError) as error:
            raise NotRunning(
                f"{self.run_file} cannot be read ({type(error).__name__}). Is GUANKA_HOME right? {_AGAIN}"
            ) from None
        if not _tells_of_a_product(document):
            raise NotRunning(f"{self.run_file} does not tell of a running product. {_AGAIN}")
        return dict(document)

    def address(self, service: str) -> str:
        """The address of a running service's api, such as `http://127.0.0.1:8001`. Raises `NotRunning`."""
        return f"http://127.0.0.1:{self.running()['processes'][f'{service}-api']['port']}"

    def lock(self) -> IO[str]:
        """Held by the one `guanka up` of this home. Raises `AlreadyRunning` that names its process."""
        self.path.mkdir(parents=True, exist_ok=True)
        file = self.lock_file.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise AlreadyRunning(
                f"Guanka is running here already (process {file.read().strip() or 'unknown'}, state in {self.path}); "
                "stop it with `make stop`, or start another with GUANKA_HOME and PORT_BASE set."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        return file


def _tells_of_a_product(document: Any) -> bool:
    """Whether a `run.json` has the parts that commands read: processes with pid and port, databases with a URL."""
    if not isinstance(document, dict):
        return False
    processes, databases = document.get("processes"), document.get("databases")
    if not isinstance(processes, dict) or not isinstance(databases, dict):
        return False
    apis = [processes.get(f"{service}-api") for service in ("codes", "checkpoints", "ledger", "console")]
    return all(isinstance(api, dict) and isinstance(api.get("port"), int) for api in apis) and all(
        isinstance(each, dict) and isinstance(each.get("pid"), int) for each in processes.values()
    )


def home_of(environ: dict[str, str] | os._Environ[str]) -> Home:
    return Home(Path(environ.get("GUANKA_HOME") or ROOT / ".guanka").resolve())


def write_whole(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w") as file:
        file.write(text)
    Path(name).chmod(mode)
    Path(name).replace(path)
