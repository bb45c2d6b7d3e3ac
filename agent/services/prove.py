"""`gardien door prove`: breaks the installed door on purpose, watches its line, and writes down what it saw.

The one idea: the witness is never the program under test. A door service of its own (the real one, on a ledger thrown
away after) releases; then it is killed, stopped or ended, or its latch is, in the middle of the pulse; and this process
reads the lock's own feedback where it is wired, else the level of the line as the kernel tells it. What could not be
seen is "not seen", never passed. Limits: pulse + 250 ms, and 2 s when the latch itself dies; a pulse that nothing broke
must also be long enough to get in. Beside the faults: what the line is while nobody owns it (a pull towards "released"
unlocks the door before every start), the starts, and whether the kernel keeps the level of an owner that died.
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
from enum import StrEnum
from pathlib import Path
from typing import Self
from zoneinfo import ZoneInfo

from agent import VERSION
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
EARLY_S = 0.1  # of a whole pulse, for when its begin was seen late
PATIENCE_S = 60.0  # for a service to start, on a slow board
LOOK_S = 0.002
ORPHAN_S = 0.1  # for the kernel, and a pull, to have done with the line of an owner that died
CALM = timedelta(minutes=30)


class ProofError(Exception):
    """The proof cannot be made now; the sentence says why and what to do."""


class Since(StrEnum):
    """What a trial's time counts from, in the report's words."""

    BEGIN = "depuis le début de l'impulsion"
    FAULT = "depuis la panne"
    NEVER = "jamais"  # it must not be released at all


@dataclass(frozen=True, slots=True)
class Trial:
    """One fault and what was seen of it."""

    name: str
    since: Since
    limit_s: float
    took_s: float | None  # until the line was at rest; None: it was still released, or was not seen
    seen: bool
    least_s: float = 0.0  # a pulse that is cut short lets nobody in

    @property
    def passed(self) -> bool:
        """Tell whether the line was seen at rest in time, and no sooner than it may."""
        return self.seen and self.took_s is not None and self.least_s <= self.took_s <= self.limit_s


@dataclass(frozen=True, slots=True)
class _Fault:
    name: str
    since: Since
    strike: Callable[[int, int], None]  # (service, latch)
    again: bool = False  # somebody else is let in, in the middle of the pulse
    whole: bool = False  # nothing breaks: the pulse has its full length
    rest_after: bool = False  # then the unit's stop-post command runs


def _send(number: signal.Signals, *, service: bool = False, latch: bool = False) -> Callable[[int, int], None]:
    def strike(service_pid: int, latch_pid: int) -> None:
        if service:
            os.kill(service_pid, number)
        if latch:
            os.kill(latch_pid, number)

    return strike


def _both(service_pid: int, latch_pid: int) -> None:
    os.kill(service_pid, signal.SIGSTOP)  # or the first one's end is told to the other, which locks
    os.kill(latch_pid, signal.SIGKILL)
    os.kill(service_pid, signal.SIGKILL)


def _nothing(_service_pid: int, _latch_pid: int) -> None: ...


FAULTS = (
    _Fault("impulsion sans panne", Since.BEGIN, _nothing, whole=True),
    _Fault("deux ouvertures de suite : la 2e est entière", Since.BEGIN, _nothing, again=True, whole=True),
    _Fault("service de porte tué", Since.BEGIN, _send(signal.SIGKILL, service=True)),
    _Fault("service de porte figé", Since.BEGIN, _send(signal.SIGSTOP, service=True)),
    _Fault("service de porte arrêté", Since.BEGIN, _send(signal.SIGTERM, service=True)),
    _Fault("verrou (processus) tué", Since.FAULT, _send(signal.SIGKILL, latch=True)),
    _Fault("verrou figé", Since.FAULT, _send(signal.SIGSTOP, latch=True)),
    _Fault("service et verrou tués, puis « door rest »", Since.FAULT, _both, rest_after=True),
)
UNOWNED, STARTS = "ligne sans propriétaire", "démarrages du service"
REMEDIES = {
    UNOWNED: "la ligne est du côté « libéré » quand le boîtier ne la tient pas : une résistance vers le repos, ou une "
    "ligne dont le tirage au démarrage va au repos",
    STARTS: "un démarrage a libéré la porte : niveau actif ou genre de serrure à vérifier dans le fichier du site",
}
REMEDY = "à ne pas laisser en service : prévenez l'exploitation avec ce rapport"


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
    picture = read_pictures(places.run).get("door")
    if picture is not None and age_s(picture, clock.now()) <= STALE_S:
        raise ProofError("le service de porte tourne : arrêtez-le d'abord (systemctl stop gardien-door)")
    began = clock.now().utc.astimezone(ZoneInfo(site.site.timezone))
    trials: list[Trial] = []
    broken_off = ""
    with _Witness(door) as witness:
        trials.append(_unowned(witness))
        try:
            for fault in FAULTS:
                say(_line(trials[-1]))
                trials.append(_try(fault, door, site_file, witness))
        except ProofError as error:
            broken_off = str(error)
        say(_line(trials[-1]))
        trials.append(_started(witness))
        say(_line(trials[-1]))
        seen = _surroundings(door, witness, f"{began:%d/%m/%Y à %H:%M} ({site.site.timezone})", site.site.name)
    passed = not broken_off and all(trial.passed for trial in trials)
    file = places.state / f"door-prove-{began:%Y%m%d-%H%M%S}.txt"
    file.write_text("\n".join([*seen, "", *_judged(trials, broken_off, passed=passed)]) + "\n", encoding="utf-8")
    return file, passed


def _surroundings(door: DoorConfig, witness: _Witness, when: str, name: str) -> list[str]:
    lock = door.lock
    level = "haut" if lock.released_high else "bas"
    wired = f"puce {lock.chip}, ligne {lock.line}, libérée au niveau {level}"
    by_line = "niveau de la ligne, lu dans le noyau ; relais et serrure ne sont pas vus : écoutez, poussez la porte"
    kept = {True: "le noyau garde son niveau (persistance)", False: "elle retombe à son tirage", None: "non vu"}
    return [
        f"Preuve de la porte — {name}, le {when}",
        f"Boîtier : gardien {VERSION}, noyau {os.uname().release}",
        f"Serrure : {lock.strike} ; {wired} ; impulsion {lock.hold_s:g} s, jamais plus de {lock.cap_s:g} s",
        f"Témoin : {by_line if witness.feedback is None else 'retour de la serrure'}",
        f"Ligne dont le propriétaire est mort : {kept[witness.kept]}",
        "Ligne à la fin de la preuve : "
        + {True: "LIBÉRÉE", False: "au repos", None: "non vu"}[witness.released()],
    ]  # fmt: skip


def _judged(trials: list[Trial], broken_off: str, *, passed: bool) -> list[str]:
    rows = [*map(_line, trials), ""]
    failed = [trial.name for trial in trials if not trial.passed]
    rows += [f"- {name} : {REMEDIES.get(name, REMEDY)}" for name in failed]
    if broken_off:
        rows.append(f"INTERROMPU : {broken_off} ; les essais suivants n'ont pas eu lieu.")
    elif passed:
        rows.append("RÉUSSI : jamais libérée plus longtemps que permis, et assez longtemps pour entrer.")
    else:
        rows.append(f"ÉCHEC : {len(failed)} sur {len(trials)} ; prévenez l'exploitation.")
    return [*rows, "Le service de porte est resté arrêté : systemctl start gardien-door"]


def _provable(site: Site, places: Places) -> tuple[DoorConfig, SystemClock]:
    door = site.door
    if door is None or door.lock.kind != "gpio":
        raise ProofError("ce site n'a pas de porte commandée par une vraie ligne")
    return door, SystemClock(places.run)


def _line(trial: Trial) -> str:
    verdict = "réussi" if trial.passed else "ÉCHEC" if trial.seen else "NON VU"
    if trial.since is Since.NEVER:
        took = ("au repos" if trial.passed else "LIBÉRÉE") if trial.seen else "non vu"
        return f"{trial.name:<46} {took:>16} (permis : au repos)  {verdict}"
    took = f"{trial.took_s:.3f} s" if trial.took_s is not None else ("toujours libérée" if trial.seen else "non vu")
    allowed = f"{trial.least_s:.2f} à {trial.limit_s:.2f} s" if trial.least_s else f"{trial.limit_s:.2f} s au plus"
    return f"{trial.name:<46} {took:>16} {trial.since} (permis {allowed})  {verdict}"


class _Witness:
    """Sees whether the lock is released: its feedback where wired, else the line, looked at and never driven."""

    def __init__(self, door: DoorConfig) -> None:
        self._lock = door.lock
        self.feedback = door.inputs.get("lock_feedback")
        self.kept: bool | None = None  # whether the line stayed released when all its owners were dead
        self.blips_s: float | None = None  # released during starts once it had been at rest, in all; None: not seen

    def __enter__(self) -> Self:
        try:
            self._chip = open_chip(self._lock.chip)
            if self.feedback is not None:
                wired = self.feedback
                pull = wired.pull or ("down" if wired.active_high else "up")
                self._chip.claim_input(wired.line, pull, edges=False)
        except (DriverError, OSError) as error:
            raise ProofError(f"la ligne ne peut pas être observée : {error}") from error
        return self

    def __exit__(self, *exc: object) -> None:
        self._chip.close()

    def released(self) -> bool | None:
        """Say whether the lock is released now; None if that cannot be seen."""
        with contextlib.suppress(OSError):  # the chip was unplugged under us
            if self.feedback is not None:
                return self._chip.read(self.feedback.line) is self.feedback.active_high
            level = self._chip.peek(self._lock.line)
            return None if level is None else level is self._lock.released_high
        return None

    def watch_start(self, *, rested: bool, for_s: float) -> bool:
        """Look once during a start, `for_s` after the last look; say whether it has been at rest in this start.

        Before that nobody of ours holds the line: what it is then is `_unowned`'s to tell.
        """
        released = self.released()
        if released is not None and (rested or not released):
            self.blips_s = (self.blips_s or 0.0) + (for_s if released else 0.0)
        return rested or released is False


def _unowned(witness: _Witness) -> Trial:
    """Look at the line before anything of ours owns it: as its pull, or its last owner and the kernel, left it."""
    released = witness.released()
    return Trial(UNOWNED, Since.NEVER, 0.0, None if released else 0.0, seen=released is not None)


def _started(witness: _Witness) -> Trial:
    return Trial(STARTS, Since.NEVER, 0.0, witness.blips_s, seen=witness.blips_s is not None)


def _try(fault: _Fault, door: DoorConfig, site_file: Path, witness: _Witness) -> Trial:
    clock, lock = SystemClock(), door.lock
    with tempfile.TemporaryDirectory(prefix="gardien-prove-") as folder, _service(site_file, Path(folder)) as service:
        run = Path(folder) / "run"
        latch = _ready(service, run, clock, witness)
        with contextlib.ExitStack() as asked:
            asked.enter_context(_asked(run, clock))
            began_s = _until(witness, clock, released=True, limit_s=PATIENCE_S)
            if began_s is None:
                return Trial(fault.name, fault.since, LATCH_S, None, seen=False)
            _pause(lock.hold_s / 3)
            struck_s = clock.now().mono_s
            fault.strike(service.pid, latch)
            if fault.again:
                asked.enter_context(_asked(run, clock))
            if fault.rest_after:
                _orphan(service, door, witness)
            ended_s = _until(witness, clock, released=False, limit_s=max(LATCH_S, lock.cap_s) + 3.0)
    took_s = None if ended_s is None else ended_s - (struck_s if fault.since is Since.FAULT else began_s)
    due_s = min(lock.hold_s + (struck_s - began_s if fault.again else 0.0), lock.cap_s)
    limit_s = LATCH_S if fault.since is Since.FAULT else due_s + SLACK_S
    return Trial(fault.name, fault.since, limit_s, took_s, True, max(0.01, due_s - EARLY_S) if fault.whole else 0.0)


def _orphan(service: subprocess.Popen[bytes], door: DoorConfig, witness: _Witness) -> None:
    """See what the line does without an owner; then put it to rest, as the unit does."""
    service.wait(5.0)
    _pause(ORPHAN_S)
    witness.kept = witness.released()
    with contextlib.suppress(DriverError):
        claim_inactive(door.lock.chip, door.lock.line, active_high=door.lock.released_high)


@contextlib.contextmanager
def _asked(run: Path, clock: SystemClock) -> Iterator[None]:
    """Ask for one pulse, and wait for no answer: who would give it may be dead by then."""
    request = Request("open", "cli", "test", clock.now().mono_s + PATIENCE_S, {"whom": "test"})
    with socket.socket(socket.AF_UNIX) as asking:
        while asking.connect_ex(str(run / "ask" / "door.sock")):  # its file is there a moment before it listens
            if clock.now().mono_s > request.expires_mono_s:
                raise ProofError("le service de porte n'écoute pas")
            _pause(LOOK_S)
        asking.sendall(json.dumps(asdict(request)).encode() + b"\n")
        yield


def _until(witness: _Witness, clock: SystemClock, *, released: bool, limit_s: float) -> float | None:
    limit = clock.now().mono_s + limit_s
    while (now_s := clock.now().mono_s) < limit:
        if witness.released() is released:
            return now_s
        _pause(max(LOOK_S, clock.now().mono_s - now_s))  # at least half of the time is theirs who are watched
    return None


def _pause(seconds: float) -> None:
    select.select([], [], [], seconds)


@contextlib.contextmanager
def _service(site_file: Path, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the real door service on a state and a run folder of its own; it and its latch are gone afterwards."""
    (folder / "state").mkdir()
    command = [sys.executable, "-m", "agent.cli", "--site", str(site_file.resolve())]
    command += ["--state", str(folder / "state"), "--run", str(folder / "run"), "run", "door"]
    with (folder / "log").open("wb") as log:
        service = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield service
    finally:
        service.kill()  # its latch locks and ends at the end of file
        service.wait()


def _ready(service: subprocess.Popen[bytes], run: Path, clock: SystemClock, witness: _Witness) -> int:
    """Wait until the service can be asked, watching the line; return its latch's pid. Raises ProofError."""
    limit = clock.now().mono_s + PATIENCE_S
    looked_s, took_s, rested = clock.now().mono_s, 0.0, False
    while looked_s < limit and service.poll() is None:
        if (run / "ask" / "door.sock").exists() and (latch := _latch_of(service.pid)) is not None:
            return latch
        _pause(max(LOOK_S, 9 * took_s))  # a look at a slow bridge takes 10 ms: nine tenths are for who starts
        now_s = clock.now().mono_s
        rested = witness.watch_start(rested=rested, for_s=now_s - looked_s)
        looked_s, took_s = now_s, clock.now().mono_s - now_s
    said = (run.parent / "log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    why = f" ({said[-1]})" if said else ""
    raise ProofError(f"le service de porte n'a pas démarré{why} ; voyez « gardien check » et le câblage")


def _latch_of(pid: int) -> int | None:
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split():
            if b"drivers.latch" in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
    return None
