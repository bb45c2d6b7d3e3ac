"""An office copier on the network, for the demo and the tests: our own IPP device, as a process or in-process.

The one idea: a real far end for real wires. CUPS, ipptool and our own driver talk IPP over HTTP to it (RFC 8010,
RFC 8011) as to any machine in the corridor; people stand at its panel, which here is a Unix socket. What it
physically printed is on disk before anybody is told (`copier_machine`), so it may be killed at any instant.

    python -m drivers.peers.copier --port 8631 --state DIR [--panel SOCKET] [--sides-per-s 20] [--serial S]
                                   [--name "Copieur"] [--refuse-when-busy] [--formats image/urf,image/pwg-raster]
                                   [--vendor canon|ricoh|kyocera|acme [--snmp-port 1161]]
                                   [--connector BOARD:ENABLE:PULSE[:COLOUR[:LARGE[:SHEET]]]]

It prints one line with its URI when it is ready. The panel takes one JSON object per line, `{"verb": "copy",
"args": ["3", "colour"]}`, and answers one: `{"ok": true, "said": ...}` or `{"ok": false, "why": ...}`. Verbs:

    copy N [colour] [two-sided] [a3]  at the glass     cancel              the red button
    paper out | in | N            N sheets left        toner COLOUR SHARE  0..1
    jam / clear                   paper path           cover open | close
    power off | on                unplugged            swap SERIAL         another machine in its place
    fail                          gives the job in hand up by itself (aborted-by-system)
    busy N                        refuses the next N jobs with server-error-busy
    tells all | states | nothing  what it says: all; job records without counts; neither counts nor counters
    forget                        loses its job records, job-ids start over; forgets yes | no: at every power cut
    reset / wrap N                the technician's zero; counters start over at N (0: never)
    clicks N                      counters move by N for an A3 side
    duplex on | off, a3 on | off  refuses two-sided jobs, or A3, when off
    garbage WHAT [N]              the next N answers are no IPP: empty, cut, loop, html, other-request, no-state,
                                  request-zero, hang
    snmp ok|mute|garbage|circle|text|closed   how its SNMP agent behaves, where `--vendor` gave it one
    spike / bounce N              on the connector's pulse line; each of its edges bounces N times from now on
    settle                        answers once nothing is printed and nothing waits
    status                        serial, counters, state reasons, jobs waiting

Hold your own metering against it: print to its URI with any spooler, play its faults from the panel, and compare what
you booked with `sides.jsonl` in its state directory, one line for each side that physically left it (serial, print or
copy, device job, sheet, colour, blank, A3). It never tells a spooler's story, only its own.

Never used on a site: `kind = "ipp"` there points at the real machine.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from aiohttp import web

from drivers.ipp import IppError, decode, encode
from drivers.peers.agent import Agent
from drivers.peers.copier_connector import Connector
from drivers.peers.copier_face import Face
from drivers.peers.copier_garbage import spoiled
from drivers.peers.copier_machine import Machine
from drivers.peers.copier_mib import VENDORS, mib
from drivers.peers.copier_pages import interpret
from drivers.peers.copier_paper import GARBAGE, TELLS, Side, physical_sides
from drivers.peers.copier_profile import FORMATS

__all__ = ["Copier", "CopierPeer", "PanelError", "Side", "physical_sides", "tell"]

_LARGEST = 256 * 1024 * 1024  # bytes of one request
_LINE = 64 * 1024
_SOCKET_LIMIT = 107  # bytes of a path in sockaddr_un (unix(7))
_ENDS_S = 5.0


class PanelError(Exception):
    """The panel did not understand, or the copier is not there."""


class Copier:
    """One copier on `host`:`port` (0: any free one), with its panel; an async context manager."""

    def __init__(  # noqa: PLR0913  (what the command line says, one by one)
        self,
        state: Path,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        panel: Path | None = None,
        sides_per_s: float = 20.0,
        serial: str = "GDN0001",
        name: str = "Copieur",
        formats: tuple[str, ...] = tuple(FORMATS),
        refuse_when_busy: bool = False,
        vendor: str = "",
        snmp_port: int = 0,
        connector: str = "",
    ) -> None:
        self.machine = Machine(state, sides_per_s=sides_per_s, serial=serial)
        self.machine.connector = Connector(connector) if connector else None
        self.port = port
        self._host, self._panel_path = host, panel
        self._face = partial(Face, self.machine, name=name, formats=formats, refuse_when_busy=refuse_when_busy)
        self.agent = Agent(lambda: mib(self.machine, vendor)) if vendor else None
        self._snmp_port = snmp_port
        self._panel: asyncio.Server | None = None
        self._runner: web.AppRunner | None = None
        self._answers: Face | None = None

    @property
    def uri(self) -> str:
        """Return where it prints."""
        return f"ipp://{self._host}:{self.port}/ipp/print"

    async def __aenter__(self) -> Self:
        await self.power_on()
        if self._panel_path is not None:
            self._panel_path.unlink(missing_ok=True)
            self._panel = await asyncio.start_unix_server(self._at_panel, self._panel_path, limit=_LINE)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._panel is not None and self._panel_path is not None:
            self._panel.close()
            self._panel_path.unlink(missing_ok=True)
        await self.power_off()
        if self.machine.connector is not None:
            self.machine.connector.close()

    async def power_on(self) -> None:
        """Plug it in. Raises OSError if the port is taken."""
        if self._runner is not None:
            return
        app = web.Application(client_max_size=_LARGEST)
        app.router.add_post("/ipp/print", self._post)
        app.router.add_post("/ipp/print/{job}", self._post)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self._answers = self._face(uri=self.uri)
        if self.agent is not None:
            await self.agent.start(self._host, self._snmp_port)
            self._snmp_port = self.agent.port
        self.machine.start()

    async def power_off(self) -> None:
        """Pull the plug: connections break, the sheet in hand is lost, unfinished jobs are gone."""
        if self.agent is not None:
            self.agent.stop()
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await self.machine.stop()
            await runner.cleanup()

    async def _post(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            message, document = decode(body)
        except IppError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        if self._answers is None:
            raise web.HTTPServiceUnavailable
        answer = self._answers.answer(message, await asyncio.to_thread(interpret, document))
        if self.machine.quirks.garbage_left > 0:
            self.machine.quirks.garbage_left -= 1
            return await spoiled(answer, self.machine.quirks.garbage)
        return web.Response(body=encode(answer), content_type="application/ipp")

    async def settle(self, timeout_s: float = 60.0) -> None:
        """Wait until nothing is printed and nothing waits. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            await self.machine.until(lambda: self.machine.idle)

    # --- the panel

    async def press(self, verb: str, *args: str) -> Any:
        """Obey one verb of the panel and return what it has to say. Raises PanelError for one it does not know."""
        verbs: dict[str, Callable[..., Awaitable[Any] | Any]] = {
            "copy": self._copy,
            "cancel": self.machine.cancel_panel,
            "paper": self._paper,
            "toner": lambda colour, share: self.machine.toner(colour, float(share)),
            "jam": lambda: self.machine.set(jammed=True),
            "clear": lambda: self.machine.set(jammed=False),
            "cover": lambda how: self.machine.set(opened={"open": True, "close": False}[how]),
            "power": lambda how: {"on": self.power_on, "off": self.power_off}[how](),
            "swap": self.machine.swap,
            "snmp": self._snmp,
            **self._quirk_verbs(),
            "settle": self.settle,
            "status": self._status,
        }
        if verb not in verbs:
            raise PanelError(f"no verb {verb}: {', '.join(verbs)}")
        try:
            said = verbs[verb](*args)
            return await said if isinstance(said, Awaitable) else said
        except (TypeError, ValueError, KeyError) as error:
            raise PanelError(f"{verb} {' '.join(args)}: {error}") from error

    def _quirk_verbs(self) -> dict[str, Callable[..., Any]]:
        quirks, forget = self.machine.quirks, self.machine.forget
        return {
            "fail": self.machine.fail,
            "reset": self.machine.reset,
            "forget": forget,
            "busy": lambda count: setattr(quirks, "busy", int(count)),
            "tells": lambda what: setattr(quirks, "tells", TELLS[TELLS.index(what)]),
            "clicks": lambda count: setattr(quirks, "a3_clicks", int(count)),
            "wrap": lambda at: setattr(quirks, "wrap", int(at)),
            "forgets": lambda how: setattr(quirks, "forgets", {"yes": True, "no": False}[how]),
            "duplex": lambda how: setattr(quirks, "duplex", {"on": True, "off": False}[how]),
            "a3": lambda how: setattr(quirks, "a3", {"on": True, "off": False}[how]),
            "garbage": self._garbage,
            **({} if self.machine.connector is None else self.machine.connector.verbs()),
        }

    def _garbage(self, what: str, count: str = "1") -> None:
        self.machine.quirks.garbage = GARBAGE[GARBAGE.index(what)]
        self.machine.quirks.garbage_left = int(count)

    def _copy(self, count: str, *how: str) -> None:
        if set(how) - {"colour", "two-sided", "a3"} or int(count) < 1:
            raise ValueError("copy N [colour] [two-sided] [a3]")
        self.machine.copy(int(count), colour="colour" in how, two_sided="two-sided" in how, large="a3" in how)

    def _paper(self, how: str) -> None:
        left = {"out": 0, "in": None}
        self.machine.set(tray=left[how] if how in left else abs(int(how)))

    def _snmp(self, how: str) -> None:
        mood = "" if how == "ok" else how
        if self.agent is None or mood not in Agent.MOODS:
            raise ValueError(f"snmp ok|{'|'.join(Agent.MOODS[1:])}, with --vendor")
        self.agent.mood = mood

    def _status(self) -> dict[str, Any]:
        machine = self.machine
        return {
            "serial": machine.serial,
            "counters": asdict(machine.counters),
            "sides": machine.counters.sides,
            "reasons": machine.reasons(),
            "waiting": len(machine.waiting()),
            "idle": machine.idle,
        }

    async def _at_panel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(json.dumps(await self._reply(line)).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            pass
        finally:
            writer.close()

    async def _reply(self, line: bytes) -> dict[str, Any]:
        try:
            asked = json.loads(line)
            verb, args = str(asked["verb"]), [str(arg) for arg in asked.get("args", [])]
            return {"ok": True, "said": await self.press(verb, *args)}
        except (PanelError, ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            return {"ok": False, "why": f"{type(error).__name__}: {error}"}


def tell(panel: Path, verb: str, *args: str, timeout_s: float = 60.0) -> Any:
    """Press a verb on another process's panel and return what it says. Blocks; raises PanelError."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wire:
            wire.settimeout(timeout_s)
            wire.connect(str(panel))
            wire.sendall(json.dumps({"verb": verb, "args": args}).encode() + b"\n")
            answer = json.loads(wire.makefile("rb").readline() or b"{}")
    except (OSError, ValueError) as error:
        raise PanelError(f"{panel}: {error}") from error
    if not answer.get("ok"):
        raise PanelError(str(answer.get("why", "no answer")))
    return answer["said"]


class CopierPeer:
    """A copier as a process of its own, so that it can be killed: `python -m drivers.peers.copier` in `folder`.

    Every method blocks, with a limit; failures are PanelError. `folder` keeps what it printed, over any restart.
    """

    def __init__(self, folder: Path, *options: str, port: int = 0) -> None:
        self.state, self.uri, self.port = folder, "", port
        socket_path = folder / "panel"
        if len(os.fsencode(socket_path)) > _SOCKET_LIMIT:
            mark = hashlib.sha256(os.fsencode(socket_path)).hexdigest()[:12]
            socket_path = Path(tempfile.gettempdir()) / f"gardien-copier-{mark}"
        self.panel = socket_path
        self._options = options
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self.panel.unlink(missing_ok=True)

    @property
    def pid(self) -> int | None:
        """The running copier's process id."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> None:
        """Start it, on the port it had before; returns when it takes jobs."""
        self.state.mkdir(parents=True, exist_ok=True)
        places = ["--state", str(self.state), "--panel", str(self.panel), "--port", str(self.port)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "drivers.peers.copier", *places, *self._options],
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        assert self._process.stdout is not None
        self.uri = self._process.stdout.readline().strip()
        if not self.uri:
            self.stop()
            raise PanelError("the copier did not start")
        self.port = urlsplit(self.uri).port or 0

    def stop(self) -> None:
        """End it politely (SIGTERM); what it has not printed is lost, as with the mains switch."""
        self._end(signal.SIGTERM)

    def kill9(self) -> None:
        """Kill it where it stands; `start` again is the power coming back."""
        self._end(signal.SIGKILL)

    def tell(self, verb: str, *args: str) -> Any:
        """Press a verb on its panel."""
        return tell(self.panel, verb, *args)

    def sides(self) -> list[Side]:
        """Return every side it ever printed: the truth to compare with."""
        return list(physical_sides(self.state))

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(_ENDS_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="drivers.peers.copier", description="An emulated office copier over IPP.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--panel", type=Path)
    parser.add_argument("--sides-per-s", type=float, default=20.0)
    parser.add_argument("--serial", default="GDN0001")
    parser.add_argument("--name", default="Copieur")
    parser.add_argument("--vendor", choices=VENDORS, default="")
    parser.add_argument("--snmp-port", type=int, default=0)
    parser.add_argument("--connector", default="")
    parser.add_argument("--refuse-when-busy", action="store_true")
    parser.add_argument("--formats", type=lambda said: tuple(said.split(",")), default=tuple(FORMATS))
    return parser.parse_args(argv)


async def run(argv: list[str]) -> None:
    """Be a copier until told to end."""
    options = vars(_arguments(argv))
    ended = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, ended.set)
    async with Copier(options.pop("state"), **options) as copier:
        sys.stdout.write(f"{copier.uri}\n")
        sys.stdout.flush()
        await ended.wait()


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1:]))
