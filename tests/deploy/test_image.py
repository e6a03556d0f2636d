"""What the image has besides its processes: the command line, and all that its instructions name."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from guanka.home import ROOT, Home
from tests.deploy.image import HOME, Image, instructions


def test_the_image_makes_development_keys_and_their_tokens(image: Image, tmp_path: Path) -> None:
    """`docker run --rm -e GUANKA_HOME=/made/home -v …:/made guanka:0.1.0 guanka keys /made/keys`."""
    home = {"GUANKA_HOME": str(tmp_path / "home")}
    done = image.run("guanka", "keys", str(tmp_path / "keys"), environment=home)
    assert done.returncode == 0, done.stderr
    assert {"city.key", "signing.json", "policy.jws"} <= {each.name for each in (tmp_path / "keys").iterdir()}
    token = image.run("guanka", "token", "operator", environment=home)
    assert token.returncode == 0, token.stderr
    assert token.stdout.count(".") == 2
    assert json.loads((Home(tmp_path / "home").keys / "issuer.jwks.json").read_text())["keys"]


def test_a_command_without_a_product_is_refused_in_a_line(image: Image, tmp_path: Path) -> None:
    commands = ["doctor", "tail", "republish codes", "dead-letters list", "ledger verify", "seed", "token operator"]
    for command in map(str.split, commands):
        done = image.run("guanka", *command, environment={"GUANKA_HOME": str(tmp_path)})
        assert done.returncode == 1, command
        assert len(done.stderr.strip().splitlines()) <= 2, done.stderr
        assert "Traceback" not in done.stderr


def test_the_builder_is_sent_whatever_the_instructions_copy() -> None:
    """`.dockerignore` shuts everything out but what it names."""
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        source.rstrip("/")
        for word, rest in instructions()
        if word == "COPY" and "--from" not in rest
        for source in shlex.split(rest)[:-1]
    }
    assert {source for source in copied if not source.startswith(str(HOME))} <= sent
