"""The emulated building: every far end of one small site on real wires, obeying the verbs of `drivers.verbs`.

Two providers in network namespaces, a private cupsd in front of an IPP copier, card readers on ptys, a board whose
pins others can see. What this machine cannot run is said in `missing` and left out: the site file then says
`kind = "sim"` for that part, and everything else stays real.

All calls block (up to seconds at the start); one thread at a time. A killed run's leftovers are reclaimed at the next
start: namespaces and cupsd by themselves, the copier by the pid in its folder.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Self

from drivers.contract import DriverError
from drivers.peers import cups, namespaces, providers
from drivers.peers.board import Board
from drivers.peers.passerby import print_past
from drivers.peers.readers import ReaderPeer
from drivers.verbs import BadgeVerb, CopyVerb, DeviceVerb, DoorVerb, LinkVerb, PrintVerb, Verb, VerbError

RELAY, CONTACT, EXIT_BUTTON = 17, 22, 27  # BCM numbers on the emulated board
CONNECTOR = (5, 6, 13, 19, 26)  # the copier's copy-control connector: enable, pulse, colour, A3, sheet
PRESS_S = 0.3
HELD_QUEUE = "impressions"  # its jobs wait for a badge
READY_S = 20.0


class PeerBuilding:
    """The far ends of one site, in `folder`. A context manager, or `start` and `stop`.

    `readers` maps a reader's name to its framing; `queue` is both the queue's and the copier's name. `wired`: the
    copier tells no counts at all, and its copy-control connector is wired to the board.
    """

    def __init__(
        self,
        folder: Path,
        links: tuple[str, ...],
        readers: dict[str, str],
        queue: str,
        *,
        sides_per_s: float = 4.0,
        wired: bool = False,
    ) -> None:
        self.folder, self.queue = folder, queue
        self.missing: dict[str, str] = {}  # "links" | "paper" -> why it cannot run here
        self._links, self._sides_per_s = links, sides_per_s
        self._frames, self._wired = readers, wired
        self.providers: providers.Providers | None = None
        self.cups: cups.CupsPeer | None = None
        pulls = {EXIT_BUTTON: "down", CONTACT: "down"} | dict.fromkeys(CONNECTOR[1:], "up")
        self.board = Board(folder / "board", pulls=pulls)
        self.readers = {name: ReaderPeer(folder / f"tty-{name}", frame=frame) for name, frame in readers.items()}
        self.panel = folder / "panel.sock"
        self.copier_uri = ""
        self.copier: subprocess.Popen[str] | None = None
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start every far end this machine can run."""
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._open.enter_context(self.board)
            for reader in self.readers.values():
                self._open.enter_context(reader)
            self._start_providers()
            self._start_paper()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop what was started, the last first."""
        self._open.close()
        self.providers = self.cups = self.copier = None

    def _start_providers(self) -> None:
        why = namespaces.available() if self._links else ""
        if why:
            self.missing["links"] = why
        elif self._links:
            self.providers = self._open.enter_context(providers.Providers(self._links))

    def _start_paper(self) -> None:
        why = cups.available() if self.queue else ""
        if why:
            self.missing["paper"] = why
        elif self.queue:
            self.start_copier()
            self._open.callback(self.stop_copier)
            self.cups = cups.CupsPeer(self.folder / "cups")
            self._open.enter_context(self.cups)
            self.cups.add_queue(self.queue, self.copier_uri)
            self.cups.add_queue(f"{self.queue}-direct", self.copier_uri)  # agent.config.out_queue
            self.cups.add_queue(HELD_QUEUE, self.copier_uri, held=True)

    def start_copier(self) -> None:
        """Start the copier's process; after a kill it comes back at the same address with what it had printed."""
        self._reclaim_copier()
        port = self.copier_uri.split(":")[2].split("/")[0] if self.copier_uri else "0"
        command = [sys.executable, "-m", "drivers.peers.copier", "--state", str(self.folder / "copier")]
        command += ["--port", port, "--panel", str(self.panel), "--sides-per-s", str(self._sides_per_s)]
        if self._wired:
            command += ["--connector", ":".join(map(str, (self.board.path, *CONNECTOR)))]
        self.copier = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
        )
        watchdog = threading.Timer(READY_S, self.copier.kill)
        watchdog.start()
        try:
            assert self.copier.stdout is not None
            self.copier_uri = self.copier.stdout.readline().strip()
        finally:
            watchdog.cancel()
        if not self.copier_uri:
            raise DriverError("the copier peer did not start")
        (self.folder / "copier.pid").write_text(str(self.copier.pid), encoding="ascii")
        if self._wired:
            self._press("tells", "nothing")

    def stop_copier(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the copier's process."""
        if self.copier is None:
            return
        self.copier.send_signal(how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.copier.wait(10)
        self.copier.kill()
        self.copier.wait()
        if self.copier.stdout is not None:
            self.copier.stdout.close()
        self.copier = None

    def reclaim(self) -> None:
        """End what a killed run left behind in this folder: its copier, its cupsd."""
        self._reclaim_copier()
        if self.folder.exists() and not cups.available():
            cups.CupsPeer(self.folder / "cups").reclaim()

    def _reclaim_copier(self) -> None:
        """End a copier that a killed run left behind: only one whose command line names our folder."""
        with contextlib.suppress(OSError, ValueError):
            pid = int((self.folder / "copier.pid").read_text(encoding="ascii"))
            if str(self.folder).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)

    # --- verbs -------------------------------------------------------------------------------------------------

    def obey(self, verb: Verb) -> str:  # noqa: PLR0911  (one line per verb)
        """Do what a verb says and return one line about it. Raises VerbError."""
        try:
            match verb:
                case LinkVerb():
                    return self._link(verb)
                case PrintVerb():
                    return self._print(verb)
                case CopyVerb():
                    return self._press("copy", str(verb.sides), *(("colour",) if verb.colour else ()))
                case DeviceVerb("paper"):
                    return self._press("paper", verb.what)
                case DeviceVerb():
                    return self._press("toner", verb.what, str(verb.level_share))
                case BadgeVerb():
                    return self._badge(verb)
                case DoorVerb():
                    return self._door(verb)
                case _:
                    raise VerbError("visits are noted by the animator, not by the building")
        except (DriverError, cups.PeerError, OSError) as error:
            raise VerbError(str(error)) from error

    def _link(self, verb: LinkVerb) -> str:
        if self.providers is None:
            raise VerbError(self.missing.get("links", "this building has no links"))
        return self.providers.obey(verb)

    def _print(self, verb: PrintVerb) -> str:
        if self.cups is None:
            raise VerbError(self.missing.get("paper", "this building has no copier"))
        if verb.past:
            code = print_past(self.copier_uri, verb.user, verb.pages * verb.copies, colour=verb.colour)
            return f"the copier answered {code:#06x} to {verb.user}"
        job = self.cups.print_pdf(
            verb.user,
            verb.pages,
            queue=HELD_QUEUE if verb.held else self.queue,
            colour=verb.colour,
            two_sided=verb.two_sided,
            copies=verb.copies,
        )
        return f"job {job} from {verb.user}"

    def _press(self, name: str, *arguments: str) -> str:
        from drivers.peers.copier import PanelError, tell  # noqa: PLC0415  (aiohttp, only where there is a copier)

        if self.copier is None:
            raise VerbError(self.missing.get("paper", "this building has no copier"))
        try:
            tell(self.panel, name, *arguments)
        except PanelError as error:
            raise VerbError(str(error)) from error
        return f"{name} {' '.join(arguments)}"

    def _badge(self, verb: BadgeVerb) -> str:
        reader = self.readers.get(verb.reader)
        if reader is None:
            raise VerbError(f"no reader {verb.reader!r}; there are: {', '.join(self.readers)}")
        if self._frames[verb.reader] == "rdm6300" and len(verb.card) != 10:
            raise VerbError("this reader reads EM4100 cards: ten hex digits")
        reader.present(verb.card)
        return f"a card at {verb.reader}"

    def _door(self, verb: DoorVerb) -> str:
        if verb.name == "exit":
            self.board.press(EXIT_BUTTON, PRESS_S)
        else:
            self.board.drive(CONTACT, high=verb.name == "open")
        return verb.name
