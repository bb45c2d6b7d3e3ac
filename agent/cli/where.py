"""Which site file and which places a command works on."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import click

from agent.config import EXIT_CONFIG, ConfigError, Places, Site

EXIT_REFUSED, EXIT_USAGE, EXIT_UNAVAILABLE, EXIT_IO = 1, 2, 69, 74
INSTALLED = Path("/etc/gardien/site.toml")
DEMO_FOLDER = Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp") / f"gardien-demo-{os.getuid()}"  # noqa: S108  (ours alone)


@dataclass(frozen=True, slots=True)
class Where:
    """The site file and the places this call works on."""

    site_file: Path
    places: Places

    @property
    def ledger_file(self) -> Path:
        """Return where the ledger is."""
        return self.places.state / "ledger.db"

    def written_ledger(self) -> Path:
        """Return where the ledger is, for whoever only reads; where there is none they make none, and end."""
        if not os.path.exists(self.ledger_file):  # noqa: PTH110  (False also where one may not look)
            no_ledger(f"no ledger at {self.ledger_file}")
        return self.ledger_file

    def site(self) -> Site:
        """Read the site file; end with exit code 78 and every fault if it is wrong."""
        from agent.sitefile import read_site

        try:
            return read_site(self.site_file)
        except ConfigError as error:
            fail(str(error), EXIT_CONFIG)


def find(site: str | None, state: str | None, run: str | None) -> Where:
    """Resolve options, then environment, then the installed places, then a demo's that runs or ran here."""
    named = site or os.environ.get("GARDIEN_SITE")
    demo = DEMO_FOLDER / "site.toml"
    if not named and not INSTALLED.exists() and demo.exists():
        named = str(demo)
    of_demo = named == str(demo)
    state = (
        state or os.environ.get("STATE_DIRECTORY") or (str(DEMO_FOLDER / "state") if of_demo else "/var/lib/gardien")
    )
    run = run or os.environ.get("RUNTIME_DIRECTORY") or (str(DEMO_FOLDER / "run") if of_demo else "/run/gardien")
    return Where(Path(named or INSTALLED), Places(Path(state), Path(run)))


def no_ledger(error: object) -> NoReturn:
    """End because the ledger cannot be read or written; `error` is its own sentence."""
    fail(f"registre : ni lu ni écrit ; voyez le dossier (--state), vos droits (root) et le disque — {error}", EXIT_IO)


def fail(sentence: str, code: int) -> NoReturn:
    """Say why on standard error and end with `code`."""
    click.echo(sentence, err=True)
    sys.exit(code)
