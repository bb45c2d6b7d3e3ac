"""The door asked from the page: open once, hold an event window, close now.

The one idea: whoever asks is told *what was seen*, not what was sent. After the pulse this waits for the contact, and
says when the leaf opened, or that it did not move, or that nobody can see it from here. A request carries an id that
its page made up once; the same id again gets the first answer and no pulse (`agent.ask`), and its fact stands once.

An event window lives in this process alone: it ends at its time, when somebody closes it, or with the process; a
window found open in the ledger at the start is written down as ended by the restart, and the latch began at rest.
Requests: `open` (whom), `hold-open-until` (until, ISO 8601), `close-now`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime

from agent.ask import Answer, Request
from agent.memory.codec import LedgerError
from agent.memory.ledger import Ledger
from agent.rules.door import Passage
from agent.rules.remote import (
    OPENS,
    OpenedRemotely,
    Refusal,
    Whom,
    WindowClosed,
    WindowEnd,
    WindowOpened,
    wait_s,
    window_s,
)
from agent.stories.door import Door
from drivers.contract import DriverError, Lock, Moment

log = logging.getLogger(__name__)

SEEN_S = 3.0  # how long after the pulse the leaf may still open
REST_S = 0.1  # between two pulses of a fed window the line rests: the latch's cap stays what it is

REFUSED = {
    Refusal.WHOM: "Dites qui entre.",
    Refusal.NO_TIME: "Ce n'est pas une heure ; écrivez 22:30.",
    Refusal.PAST: "Cette heure est passée.",
    Refusal.TOO_LONG: "Six heures au plus.",
    Refusal.LOCKDOWN: "Confinement : personne n'entre. Levez-le d'abord.",
}


@dataclass(frozen=True, slots=True)
class Strike:
    """What can be asked of this door's lock."""

    cap_s: float  # the longest single pulse
    fed: bool = False  # it stands being released for hours, pulse after pulse
    seen: bool = True  # a contact is wired: somebody can see the leaf


@dataclass(frozen=True, slots=True)
class _Window:
    name: str
    until: datetime
    ends_s: float  # mono_s of this boot


class RemoteDesk:
    """Answers what is asked of one door from elsewhere. One per door, on its event loop."""

    def __init__(self, door: Door, lock: Lock, ledger: Ledger, strike: Strike) -> None:
        self._door, self._lock, self._strike = door, lock, strike
        self._opened: deque[float] = deque(maxlen=OPENS)  # mono_s
        self._window: _Window | None = None
        self._changed = asyncio.Event()
        self._turn = asyncio.Lock()
        self._remember(ledger)

    async def answer(self, request: Request) -> Answer:
        """Answer one request. A retry with the same id never comes here."""
        match request.action:
            case "open":
                return await self._open(request)
            case "hold-open-until":
                return self._hold(request)
            case "close-now":
                return await self._close(request)
            case _:
                return Answer(done=False, says=f"action inconnue : {request.action}")

    async def mind_lockdown(self, every_s: float) -> None:
        """End an event window as soon as nobody is let in any more; for ever."""
        while True:
            if self._door.look_around() and self._window is not None:
                await self._end(WindowEnd.LOCKDOWN, "")
            await asyncio.sleep(every_s)

    async def mind_windows(self) -> None:
        """Feed an open window and end it at its time; for ever."""
        try:
            while True:
                await self._wait()
                window = self._window
                if window is None:
                    continue
                left_s = window.ends_s - self._door.clock.now().mono_s
                if left_s <= 0:
                    await self._end(WindowEnd.TIME, "")
                elif self._strike.fed:
                    await self._feed(min(self._strike.cap_s, left_s))
        finally:
            self._door.window = self._door.fed = False

    async def _wait(self) -> None:
        """Wait until something is to be done: a change, the end of the window, its next pulse."""
        window = self._window
        if window is not None and self._strike.fed:
            return
        wait = None if window is None else max(0.0, window.ends_s - self._door.clock.now().mono_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._changed.wait()
        self._changed.clear()

    async def _feed(self, hold_s: float) -> None:
        """Release for one pulse and wait it out; a window that closes meanwhile cuts it short."""
        self._changed.clear()
        await self._door.release(self._lock, hold_s)
        if self._window is None:  # it was closed while the latch was asked
            await self._rest()
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(hold_s + REST_S):
                await self._changed.wait()

    # --- requests --------------------------------------------------------------------------------------------

    async def _open(self, request: Request) -> Answer:
        if request.arguments.get("whom") not in set(Whom):
            return _no(Refusal.WHOM)
        if self._door.look_around():
            return _no(Refusal.LOCKDOWN)
        async with self._turn:
            now = self._door.clock.now()
            wait = wait_s(self._opened, now.mono_s)
            if wait > 0:
                log.warning("the door was asked for too often from the page")
                minutes = max(1, round(wait / 60))
                return Answer(False, f"Trop d'ouvertures : attendez {minutes} min.", Refusal.TOO_MANY, str(minutes))
            self._opened.append(now.mono_s)
            already = self._door.live.leaf in {Passage.OPEN, Passage.HELD, Passage.FORCED, Passage.PROPPED}
            watching = asyncio.ensure_future(self._door.next_opening(self._door.ways.hold_s + SEEN_S))
            await asyncio.sleep(0)  # it watches before the latch moves
            fact = OpenedRemotely(request.actor, Whom(request.arguments["whom"]))
            self._door.intend(fact, now, request.id)
            released = await self._door.release(self._lock)
            self._door.record(fact, now, request.id)
        if not released or already or not self._strike.seen or self._door.live.leaf == Passage.UNKNOWN:
            watching.cancel()
            return self._unseen(released=released, already=already)
        opened = await watching
        if opened is None:
            return Answer(True, "Commande envoyée, la porte n'a pas bougé.", "not-moved")
        time = f"{opened.utc.astimezone(self._door.ways.zone):%H:%M:%S}"
        return Answer(True, f"Ouverte {time}", "opened", time)

    def _unseen(self, *, released: bool, already: bool) -> Answer:
        if not released:
            return Answer(False, "La commande de la porte ne répond pas : elle est restée fermée.", "no-latch")
        if already:
            return Answer(True, "Commande envoyée, la porte était déjà ouverte.", "already-open")
        if not self._strike.seen:
            return Answer(True, "Commande envoyée. Aucun capteur : personne ne voit la porte d'ici.", "no-contact")
        return Answer(True, "Commande envoyée. Le capteur est muet : personne ne voit la porte d'ici.", "mute-contact")

    def _hold(self, request: Request) -> Answer:
        now = self._door.clock.now()
        try:
            until = datetime.fromisoformat(request.arguments.get("until", "")).astimezone(UTC)
        except ValueError:
            return _no(Refusal.NO_TIME)
        length_s = window_s(until, now.utc)
        if isinstance(length_s, Refusal):
            return _no(length_s)
        if self._door.look_around():
            return _no(Refusal.LOCKDOWN)
        if self._window is not None:
            self._note_end(WindowEnd.CLOSED, request.actor)
        self._window = _Window(request.id, until, now.mono_s + length_s)
        self._door.window, self._door.fed = True, self._strike.fed
        fact = WindowOpened(request.id, request.actor, until, fed=self._strike.fed)
        self._door.record(fact, now, request.id)
        self._door.show_window(until)
        self._changed.set()
        time = f"{until.astimezone(self._door.ways.zone):%H:%M}"
        return Answer(True, f"Ouverte jusqu'à {time}.", "window-fed" if self._strike.fed else "window-cards", time)

    async def _close(self, request: Request) -> Answer:
        had = self._window is not None
        await self._end(WindowEnd.CLOSED, request.actor)
        return Answer(True, "Relais au repos." if had else "Rien n'était ouvert.", "closed" if had else "nothing-open")

    async def _end(self, why: WindowEnd, actor: str) -> None:
        """End the window, if there is one, and put the latch to rest."""
        fed = self._door.fed
        if self._window is not None:
            self._note_end(why, actor)
        self._window = None
        self._door.window = self._door.fed = False
        self._door.show_window(None)
        self._changed.set()
        if fed or why in {WindowEnd.CLOSED, WindowEnd.LOCKDOWN}:
            await self._rest()

    async def _rest(self) -> None:
        try:
            await self._lock.relock()
        except DriverError as error:
            log.error("the latch did not relock: %s", error)  # noqa: TRY400  (one line for the operator)

    def _note_end(self, why: WindowEnd, actor: str) -> None:
        assert self._window is not None
        self._door.record(WindowClosed(self._window.name, actor, why), self._door.clock.now(), self._window.name)

    # --- the start -------------------------------------------------------------------------------------------

    def _remember(self, ledger: Ledger) -> None:
        """Take over from an earlier process: its openings still count, its window is over."""
        try:
            now = self._door.clock.now()
            for entry in ledger.entries(OpenedRemotely):
                if entry.at.boot == now.boot:
                    self._opened.append(entry.at.mono_s)
            self._end_left_over(ledger, now)
        except LedgerError as error:
            log.warning("what was opened from the page before is not known: %s", error)

    def _end_left_over(self, ledger: Ledger, now: Moment) -> None:
        last, over = ledger.last(WindowOpened), ledger.last(WindowClosed)
        if last is None or not isinstance(last.fact, WindowOpened):
            return
        if over is None or over.key != last.key:
            self._door.record(WindowClosed(last.fact.window, "", WindowEnd.RESTART), now, last.fact.window)


def _no(why: Refusal) -> Answer:
    return Answer(done=False, says=REFUSED[why], code=why.value)
