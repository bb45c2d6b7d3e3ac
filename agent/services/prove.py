"""`gardien door prove`: breaks the installed door on purpose, watches its line, and writes down what it saw.

The one idea: the witness is never the program under test. A door service of its own (the real one, on a ledger thrown
away after) releases; then it is killed, stopped or ended, or its latch is, in the middle of the pulse; and this process
reads the lock's own feedback where it is wired, else the level of the line as the kernel tells it. What could not be
seen is "not seen", never passed. Limits: pulse + 250 ms, and 2 s when the latch itself dies.
It opens the door several times: it refuses while the place is open, while somebody is in, or soon after a passage.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Self
from zoneinfo import ZoneInfo

from agent.ask import Request
from agent.config import DoorConfig, Places, Site
from agent.live import STALE_S, age_s, read_pictures
from agent.memory.ledger import Ledger
from agent.memory.roster import RosterStore
from agent.rules.door import DoorChanged, EntryDecided
from agent.rules.hours import WeeklyHours
from agent.rules.presence import Presence, VisitCorrected, VisitEnded, VisitStarted
from drivers.chips import open_chip
from drivers.clock import SystemClock
from drivers.contract import DriverError
from drivers.lock import claim_inactive

SLACK_S, LATCH_S = 0.25, 2.0
PATIENCE_S = 15.0  # for a service to start, on a slow board
LOOK_S = 0.002
CALM = timedelta(minutes=30)


class ProofError(Exception):
    """The proof cannot be made now; the sentence says why and what to do."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One fault and what was seen of it."""

    name: str
    limit_s: float  # from the moment the limit counts from: the pulse's begin, or the fault
    took_s: float | None  # None: it was still released, or was not seen
    seen: bool

    @property
    def passed(self) -> bool:
        """Tell whether the line was seen at rest in time."""
        return self.seen and self.took_s is not None and self.took_s <= self.limit_s


@dataclass(frozen=True, slots=True)
class _Fault:
    name: str
    from_begin: bool  # the limit counts from the begin of the pulse, else from the fault
    strike: Callable[[int, int], None]  # (service, latch)
    rest_after: bool = False  # then the unit's stop-post command runs


def _send(number: signal.Signals, *, service: bool = False, latch: bool = False) -> Callable[[int, int], None]:
    def strike(service_pid: int, latch_pid: int) -> None:
        if service:
            os.kill(service_pid, number)
        if latch:
            os.kill(latch_pid, number)

    return strike


FAULTS = (
    _Fault("impulsion sans panne", True, lambda _service, _latch: None),
    _Fault("service de porte tué", True, _send(signal.SIGKILL, service=True)),
    _Fault("service de porte figé", True, _send(signal.SIGSTOP, service=True)),
    _Fault("service de porte arrêté", True, _send(signal.SIGTERM, service=True)),
    _Fault("verrou (processus) tué", False, _send(signal.SIGKILL, latch=True)),
    _Fault("verrou figé", False, _send(signal.SIGSTOP, latch=True)),
    _Fault("service et verrou tués, puis « door rest »", False, _send(signal.SIGKILL, service=True, latch=True), True),
)


def hindrance(site: Site, places: Places, clock: SystemClock) -> str:
    """Return why the proof should wait: people; "" if nobody is known to be near. Raises LedgerError."""
    now = clock.now()
    local = now.utc.astimezone(ZoneInfo(site.site.timezone))
    with Ledger.open(places.state / "ledger.db") as ledger:
        with RosterStore.open(places.state, ledger, clock) as store:
            roster = store.roster()
        week = roster.hours or WeeklyHours.parse(site.hours)  # as the page and the door have them
        if week.open_at(local, roster.closures):
            return "le lieu est ouvert"
        visits = ledger.entries(VisitStarted, VisitEnded, VisitCorrected)
        if Presence.of(entry.fact for entry in visits).open:
            return "une visite n'est pas terminée"
        for kind in (EntryDecided, DoorChanged):
            last = ledger.last(kind)
            if last is not None and now.utc - last.at.utc < CALM:
                return "quelqu'un est passé à la porte il y a moins de 30 minutes"
    return ""


def prove(site: Site, site_file: Path, places: Places, say: Callable[[str], None]) -> tuple[Path, bool]:
    """Run every fault and write the report; return where it is and whether all passed. Raises ProofError."""
    door, clock = _provable(site, places)
    lock = door.lock
    picture = read_pictures(places.run).get("door")
    if picture is not None and age_s(picture, clock.now()) <= STALE_S:
        raise ProofError("le service de porte tourne : arrêtez-le d'abord (systemctl stop gardien-door)")
    began = clock.now().utc.astimezone(ZoneInfo(site.site.timezone))
    trials = []
    with _Witness(door) as witness:
        for fault in FAULTS:
            trial = _try(fault, door, site_file, witness)
            trials.append(trial)
            say(_line(trial))
        how = witness.how
    file = places.state / f"door-prove-{began:%Y%m%d-%H%M%S}.txt"
    passed = all(trial.passed for trial in trials)
    rows = [
        f"Preuve de la porte — {site.site.name}, le {began:%d/%m/%Y à %H:%M} ({site.site.timezone})",
        f"Serrure : {lock.strike} ; puce {lock.chip}, ligne {lock.line} ; impulsion {lock.hold_s:g} s",
        f"Témoin : {how}",
        "",
        *map(_line, trials),
        "",
        "RÉUSSI : jamais libérée plus longtemps que permis."
        if passed
        else "ÉCHEC : voir ci-dessus ; prévenez l'exploitation.",
    ]
    file.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return file, passed


def _provable(site: Site, places: Places) -> tuple[DoorConfig, SystemClock]:
    door = site.door
    if door is None or door.lock.kind != "gpio":
        raise ProofError("ce site n'a pas de porte commandée par une vraie ligne")
    return door, SystemClock(places.run)


def _line(trial: Trial) -> str:
    took = f"{trial.took_s:.3f} s" if trial.took_s is not None else ("toujours libérée" if trial.seen else "non vu")
    verdict = "réussi" if trial.passed else "ÉCHEC" if trial.seen else "NON VU"
    return f"{trial.name:<46} {took:>16}  (permis {trial.limit_s:.2f} s)  {verdict}"


class _Witness:
    """Sees whether the lock is released: its feedback where wired, else the line, looked at and never claimed."""

    def __init__(self, door: DoorConfig) -> None:
        self._lock = door.lock
        self._feedback = door.inputs.get("lock_feedback")
        self.how = "retour de la serrure" if self._feedback else "niveau de la ligne, lu dans le noyau"

    def __enter__(self) -> Self:
        try:
            self._chip = open_chip(self._lock.chip)
            if self._feedback is not None:
                wired = self._feedback
                pull = wired.pull or ("down" if wired.active_high else "up")
                self._chip.claim_input(wired.line, pull, edges=False)
        except (DriverError, OSError) as error:
            raise ProofError(f"la ligne ne peut pas être observée : {error}") from error
        return self

    def __exit__(self, *exc: object) -> None:
        self._chip.close()

    def released(self) -> bool | None:
        """Say whether the lock is released now; None if that cannot be seen."""
        if self._feedback is not None:
            return self._chip.read(self._feedback.line) is self._feedback.active_high
        level = self._chip.peek(self._lock.line)
        return None if level is None else level is self._lock.released_high


def _try(fault: _Fault, door: DoorConfig, site_file: Path, witness: _Witness) -> Trial:
    limit_s = door.lock.hold_s + SLACK_S if fault.from_begin else LATCH_S
    clock = SystemClock()
    with tempfile.TemporaryDirectory(prefix="gardien-prove-") as folder, _service(site_file, Path(folder)) as service:
        run = Path(folder) / "run"
        latch = _ready(service, run, clock)
        with _asked(run, clock):
            began_s = _until(witness, clock, released=True, limit_s=PATIENCE_S)
            if began_s is None:
                return Trial(fault.name, limit_s, None, seen=False)
            _pause(door.lock.hold_s / 3)
            struck_s = clock.now().mono_s
            fault.strike(service.pid, latch)
            if fault.rest_after:
                service.wait(5.0)
                with contextlib.suppress(DriverError):
                    claim_inactive(door.lock.chip, door.lock.line, active_high=door.lock.released_high)
            ended_s = _until(witness, clock, released=False, limit_s=max(limit_s, door.lock.cap_s) + 3.0)
    since_s = began_s if fault.from_begin else struck_s
    return Trial(fault.name, limit_s, None if ended_s is None else ended_s - since_s, seen=True)


@contextlib.contextmanager
def _asked(run: Path, clock: SystemClock) -> Iterator[None]:
    """Ask for one pulse, and wait for no answer: who would give it may be dead by then."""
    request = Request("open", "cli", "test", clock.now().mono_s + PATIENCE_S, {"whom": "test"})
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(str(run / "ask" / "door.sock"))
        asking.sendall(json.dumps(asdict(request)).encode() + b"\n")
        yield


def _until(witness: _Witness, clock: SystemClock, *, released: bool, limit_s: float) -> float | None:
    limit = clock.now().mono_s + limit_s
    while (now_s := clock.now().mono_s) < limit:
        if witness.released() is released:
            return now_s
        _pause(LOOK_S)
    return None


def _pause(seconds: float) -> None:
    select.select([], [], [], seconds)


@contextlib.contextmanager
def _service(site_file: Path, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the real door service on a state and a run folder of its own; it and its latch are gone afterwards."""
    (folder / "state").mkdir()
    command = [sys.executable, "-m", "agent.cli", "--site", str(site_file.resolve())]
    command += ["--state", str(folder / "state"), "--run", str(folder / "run"), "run", "door"]
    service = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield service
    finally:
        service.kill()  # its latch locks and ends at the end of file
        service.wait()


def _ready(service: subprocess.Popen[bytes], run: Path, clock: SystemClock) -> int:
    """Wait until the service can be asked; return its latch's pid. Raises ProofError."""
    limit = clock.now().mono_s + PATIENCE_S
    while clock.now().mono_s < limit and service.poll() is None:
        if (run / "ask" / "door.sock").exists() and (latch := _latch_of(service.pid)) is not None:
            return latch
        _pause(0.02)
    raise ProofError("le service de porte n'a pas démarré ; voyez « gardien check » et le câblage")


def _latch_of(pid: int) -> int | None:
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split():
            if b"drivers.latch" in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
    return None
