"""The command line `guanka`: start the product, look at it, mend it. Each command's work is in a module of its name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from chassis.date_times import read_date_time
from guanka.home import Home, NotRunning, home_of
from guanka.installation import Installation, OutOfReach, bearer_in, installation_of


class Told(TyperGroup):
    """Ends a command that finds no product with one clear word, whichever command it is, and never with a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            from guanka.absent import word_for

            word = word_for(error, _home())
            if word is None:
                raise
            typer.secho(word, fg="red", err=True)
            raise typer.Exit(1) from None


app = typer.Typer(
    cls=Told,
    help="Guanka (关卡): health codes, checkpoints and closed loops of a city.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    add_completion=False,
)
dead_letters = typer.Typer(help="Messages that could not be applied and were put aside.", no_args_is_help=True)
kafka = typer.Typer(help="A real Apache Kafka on this machine, without Docker.", no_args_is_help=True)
ledger = typer.Typer(help="The ledger's journal.", no_args_is_help=True)
policy = typer.Typer(help="What gates do about each outcome: signed, versioned data.", no_args_is_help=True)
app.add_typer(dead_letters, name="dead-letters")
app.add_typer(kafka, name="kafka")
app.add_typer(ledger, name="ledger")
app.add_typer(policy, name="policy")

Service = Literal["codes", "checkpoints", "ledger", "console"]


def _home() -> Home:
    return home_of(os.environ)


def _refuse(error: Exception) -> typer.Exit:
    from guanka.absent import word_for

    typer.secho(word_for(error, _home()) or str(error), fg="red", err=True)
    return typer.Exit(1)


def _embedded_only(command: str) -> None:
    """Refuse in a pod what is for one machine."""
    if os.environ.get("GUANKA_SERVICE"):
        raise _refuse(OutOfReach(f"`guanka {command}` is for a product on one machine; a pod runs one process of it."))


def _with_installation(act: Callable[[Installation], int]) -> typer.Exit:
    """Do what was asked to the product in reach; in a pod, what cannot be reached is said in that pod's words."""
    import psycopg

    from chassis.event_log import EventLogUnavailable, UnknownTopic

    try:
        return typer.Exit(act(installation_of(_home(), os.environ)))
    except OutOfReach as error:
        return _refuse(error)
    except (psycopg.Error, EventLogUnavailable, UnknownTopic) as error:
        if not os.environ.get("GUANKA_SERVICE"):
            raise
        what = "database" if isinstance(error, psycopg.Error) else "event log"
        return _refuse(RuntimeError(f"The {what} of this pod cannot be used now ({type(error).__name__})."))


@app.command()
def up(
    port_base: Annotated[int, typer.Option(envvar="PORT_BASE", min=1024, max=65500, help="the console's port")] = 8000,
    events: Annotated[Literal["local", "kafka"], typer.Option(envvar="EVENTS", help="the event log")] = "local",
    brokers: Annotated[int, typer.Option(help="Kafka brokers, 1 or 3")] = 1,
) -> None:
    """Start the whole product and keep it running until Ctrl-C."""
    _embedded_only("up")
    from guanka import up as starting

    raise typer.Exit(starting.run(_home(), port_base=port_base, events=events, brokers=brokers))


@app.command()
def stop() -> None:
    """End the product that runs here, and wait until it has ended."""
    _embedded_only("stop")
    from guanka import stopping

    raise typer.Exit(stopping.run(_home()))


@app.command()
def demo(
    people: Annotated[int, typer.Option(min=100, max=1_000_000, help="how many people live in the city")] = 20_000,
    seed: Annotated[int, typer.Option(help="the same seed gives the same morning")] = 1,
    picture: Annotated[Path | None, typer.Option(help="keep what the terminal shows as an SVG")] = None,
) -> None:
    """Play a city's morning against the running product, over HTTP, and tell what happened."""
    _embedded_only("demo")
    from guanka.demo import run

    try:
        raise typer.Exit(run(_home(), people=people, seed=seed, picture=picture))
    except NotRunning as error:
        raise _refuse(error) from error


@app.command()
def seed(
    address: Annotated[str | None, typer.Option(help="of checkpoints' api; the running product's without it")] = None,
    token_file: Annotated[Path | None, typer.Option(help="an operator's token; a development one without")] = None,
) -> None:
    """Register Guangzhou's checkpoints; repeating it changes nothing."""
    import httpx

    from guanka.home import REFERENCE
    from guanka.keys import TokenIssuer
    from guanka.seed import seed_checkpoints

    def register(installation: Installation | None) -> int:
        where = address or installation.address_of("checkpoints") if installation else str(address)
        token = bearer_in(token_file) if token_file else TokenIssuer(_home()).token("operator")
        typer.echo(f"{seed_checkpoints(where, token, REFERENCE)} checkpoints are registered")
        return 0

    try:
        raise typer.Exit(register(None)) if address else _with_installation(register)
    except (OutOfReach, ValueError) as error:
        raise _refuse(error) from error
    except httpx.HTTPStatusError as error:
        raise _refuse(RuntimeError(f"checkpoints did not take them: {error}")) from error


@app.command()
def token(
    role: Annotated[str, typer.Argument(help="citizen, gate, operator, authority, …")],
    more: Annotated[list[str] | None, typer.Argument(metavar="[ID…]", help="further ids of --checkpoint")] = None,
    area: Annotated[str | None, typer.Option(help="a node of the area tree; the whole city without it")] = None,
    checkpoint: Annotated[list[str] | None, typer.Option(help="checkpoints the holder is bound to: ID…")] = None,
    person: Annotated[str | None, typer.Option(help="the holder's person_ref")] = None,
    subject: Annotated[
        str | None,
        typer.Option(help="who the holder is (`sub`); development-ROLE without it"),
    ] = None,
    scope: Annotated[
        list[str] | None, typer.Option(help="what a service may do, such as evidence; all without it")
    ] = None,
) -> None:
    """Print a development token, and nothing else."""
    from chassis.auth import ROLES
    from city.areas import read_areas
    from guanka.home import REFERENCE
    from guanka.keys import CITY, SERVICE_SCOPES, TokenIssuer

    if role not in ROLES:
        raise _refuse(ValueError(f"there is no role {role!r}; the roles are {', '.join(sorted(ROLES))}"))
    if more and not checkpoint:
        raise _refuse(ValueError(f"{more[0]!r} belongs to no option; ids of checkpoints follow --checkpoint"))
    try:
        issuer = TokenIssuer(_home())
    except NotRunning as error:
        raise _refuse(error) from error
    if scope and (role != "service" or not set(scope) <= set(SERVICE_SCOPES)):
        raise _refuse(ValueError(f"--scope is for the role service: {', '.join(SERVICE_SCOPES)}"))
    if area and not read_areas(REFERENCE / "areas.csv").has(area):
        typer.secho(f"{area} is no node of the area tree: the services will refuse this token", fg="yellow", err=True)
    checkpoints = [*(checkpoint or []), *(more or [])]
    typer.echo(
        issuer.token(
            role,
            area=area or CITY,
            subject=subject,
            checkpoints=checkpoints,
            person=person,
            scopes=scope or SERVICE_SCOPES,
        )
    )


@app.command()
def keys(folder: Annotated[Path | None, typer.Argument(help="default: where deploy/ looks for them")] = None) -> None:
    """Write the development keys with which deploy/compose.yaml and deploy/k8s/overlays/local start."""
    from guanka.deployment_keys import FOLDER, write_deployment_keys

    where = folder or FOLDER
    try:
        written = write_deployment_keys(_home(), where)
    except OSError as error:
        raise _refuse(
            OSError(f"{error.strerror}: {error.filename}; name a folder, and GUANKA_HOME for its home")
        ) from error
    typer.echo(f"{len(written)} files in {where}; they are for trying out, and never for a city.")


@app.command()
def tail(
    topic: Annotated[list[str] | None, typer.Argument(help="topics; all without")] = None,
    from_start: Annotated[bool, typer.Option(help="from the log's first record instead of now")] = False,
    follow: Annotated[bool, typer.Option(help="wait for more")] = True,
) -> None:
    """Show events as they happen, one JSON object a line."""
    from guanka.tail import run

    def show(installation: Installation) -> int:
        run(installation, topics=topic or [], from_start=from_start, follow=follow)
        return 0

    raise _with_installation(show)


@app.command()
def republish(service: Service) -> None:
    """Tell a service's present state again, for consumers behind which the log was cut; they start again from there."""
    from guanka.mending import republish as again

    raise _with_installation(lambda installation: again(installation, service))


@app.command()
def resume(service: Service) -> None:
    """Set a service's consumer behind which the log was cut to the log's first record; `republish` does it for all."""
    from guanka.mending import resume as again

    raise _with_installation(lambda installation: again(installation, service))


@app.command()
def restored(service: Service) -> None:
    """Bring the others to a service's state after its database was restored: docs/operations/backup.md."""
    from guanka.mending import restored as bring

    raise _with_installation(lambda installation: bring(installation, service))


@app.command()
def gate(
    checkpoint: Annotated[str, typer.Option(help="the checkpoint that this gate is bound to")],
    file: Annotated[Path | None, typer.Argument(help="passes, one a line; standard input without")] = None,
    server: Annotated[str | None, typer.Option(help="where checkpoints listens; the product that runs here")] = None,
    token_file: Annotated[Path | None, typer.Option(help="the gate's token; a development one without")] = None,
    state: Annotated[Path | None, typer.Option(help="where the gate keeps what it must not lose")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="decide alone, ask nobody")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="show one JSON object a line")] = False,
    json_lines: Annotated[
        bool, typer.Option("--json-lines", help="lines may be JSON objects: for devices and files that are trusted")
    ] = False,
    forms: Annotated[
        bool, typer.Option("--forms", help="a guard types here: people without a code are registered")
    ] = False,
    policy_keys: Annotated[
        Path | None, typer.Option(help="take policies under these keys alone (JWKS); without, the first bundle's")
    ] = None,
    ca: Annotated[Path | None, typer.Option(help="authorities (PEM) by which the https server is known")] = None,
    areas: Annotated[
        Path | None,
        typer.Option(help="CSV of the city's areas, which forms take by name; Guangzhou's without"),
    ] = None,
) -> None:
    """A gate: reads passes, one a line, and decides. A line is a pass or the number that a card reader types, and no
    order: a QR code may say anything.

    It asks the server when it can; without it, it decides by the last bundle, keeps every scan and uploads it later.
    With --json-lines a line may be {pass, document, plate, people, temperature_c, mask, direction, scanned_at}: for
    card readers, concentrators and files of one's own. With --forms a person without a code is registered in place:
    the line `register` (or 登记) asks for the form field by field; with both options
    {"register": {document, phone, from_area, to_area, name?, temperature_c?, plate?}} gives it at once.
    """
    from guanka.gate.starting import start

    try:
        status = start(
            _home(),
            checkpoint=checkpoint,
            file=file,
            server=server,
            token_file=token_file,
            state=state,
            is_offline=offline,
            is_json=as_json,
            takes_json_lines=json_lines,
            takes_forms=forms,
            policy_keys=policy_keys,
            ca=ca,
            areas=areas,
        )
    except (NotRunning, OSError, ValueError) as error:
        raise _refuse(error) from error
    raise typer.Exit(status)


@dead_letters.command("list")
def list_dead_letters(service: Annotated[Service | None, typer.Option(help="one service only")] = None) -> None:
    """What was put aside: where it came from, and why."""
    from guanka.mending import list_dead_letters as show

    raise _with_installation(lambda installation: show(installation, service))


@dead_letters.command("replay")
def replay_dead_letters(
    service: Service, dead_letter_id: Annotated[list[int], typer.Argument(help="as `list` shows them")]
) -> None:
    """Apply dead letters again; one that is older than what was applied since has no effect."""
    from guanka.mending import replay_dead_letters as replay

    raise _with_installation(lambda installation: replay(installation, service, dead_letter_id))


@app.command()
def doctor() -> None:
    """What is running, versions, lags, what is wrong and what to do about it."""
    from guanka.doctor import run

    raise _with_installation(lambda installation: run(installation, _home()))


@ledger.command("verify")
def verify_journal() -> None:
    """Prove that the ledger's journal is whole."""
    from guanka.mending import service_command

    raise _with_installation(lambda installation: service_command(installation, "ledger", "verify"))


@policy.command("check")
def check_policy(file: Annotated[Path, typer.Argument(help="a policy, as JSON or signed")]) -> None:
    """Name every gap of a policy, or show what it says: ten kinds of checkpoints by every outcome."""
    from guanka.policy import check

    raise typer.Exit(check(file))


@policy.command("publish")
def publish_policy(
    file: Annotated[Path, typer.Argument(help="a policy, as JSON or signed")],
    effective_from: Annotated[str | None, typer.Option("--from", help="when it takes effect; now without")] = None,
    address: Annotated[str | None, typer.Option(help="of checkpoints' api; the running product's without it")] = None,
    token_file: Annotated[Path | None, typer.Option(help="an operator's token; a development one without")] = None,
) -> None:
    """Check a policy, sign it with the development key unless it is signed, and publish it."""
    from guanka.keys import TokenIssuer
    from guanka.policy import publish

    try:
        moment = None if effective_from is None else read_date_time(effective_from)
        where = address or installation_of(_home(), os.environ).address_of("checkpoints")
        token = bearer_in(token_file) if token_file else TokenIssuer(_home()).token("operator")
        raise typer.Exit(publish(_home(), file, moment, address=where, token=token))
    except (OutOfReach, ValueError) as error:
        raise _refuse(error) from error


@kafka.command("up")
def kafka_up(
    brokers: Annotated[int, typer.Option(help="1 or 3")] = 1,
    port: Annotated[int | None, typer.Option(help="the first broker's port; a free one without")] = None,
) -> None:
    """Run Apache Kafka on loopback until Ctrl-C, its data under `.guanka/kafka`."""
    _embedded_only("kafka up")
    from guanka.kafka_up import run

    raise typer.Exit(run(_home(), brokers=brokers, port=port))


@app.command(hidden=True)
def fetch_kafka() -> None:
    """Bring Kafka's jars (part of `make setup`)."""
    from guanka.kafka_broker import KafkaNotStarted, fetch

    try:
        typer.echo(f"Apache Kafka is in {Path(fetch()).name}")
    except KafkaNotStarted as error:
        raise _refuse(error) from error


if __name__ == "__main__":
    app()
