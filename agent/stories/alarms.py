"""Alerts: what is wrong here is told to people who are not here, once each, as soon as a message can leave.

The one idea: *store, then forward*. What is to be told is a fact before it is a message, and every message that was
taken is a fact too; so a restart, a night without internet or a far end that is down loses nothing and repeats nothing.
(Between a far end that took a message and the disk that says so a power cut may still repeat that one: better twice
than never.) Where the ledger cannot be written, which is itself an incident, messages leave all the same.

Two kinds of coroutine: `raise_alarms` looks at the incidents, `forward` empties one route's letters, oldest first.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from datetime import tzinfo

from agent.live import LiveDriver
from agent.memory.ledger import Ledger, LedgerError
from agent.rules.alarms import AlarmPolicy, AlarmRaised, Alarms, AlarmState, AlarmTold, Letter, given_up, letters, waits
from agent.rules.hours import Quiet
from agent.rules.incidents import Incident
from drivers.contract import Clock, DriverError, Messenger

log = logging.getLogger(__name__)

LOOK_S = 2.0
COMMIT_S = 5.0  # how long a message waits for the disk
FIRST_WAIT_S, LONGEST_WAIT_S = 2.0, 60.0  # between tries
WAITING_MOST = 100  # letters per route; beyond, the oldest are given up, and that is told
LOOK_AGAIN_S = 30.0  # quiet hours end, and news that nobody rang for

Look = Callable[[], Sequence[Incident]]
Say = Callable[[Letter, int], tuple[str, str]]  # a letter, and how many were given up -> title and text
Show = Callable[[str, LiveDriver], None]
Via = Callable[[], str]  # the interface of a link that lives while another is dead; "": as the routes say


class AlarmBook:
    """What was raised and told, kept up with the ledger. One per process, on its event loop. Raises LedgerError."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger, self._clock = ledger, clock
        self.facts: list[AlarmRaised | AlarmTold] = []
        for entry in ledger.entries(AlarmRaised, AlarmTold):
            assert isinstance(entry.fact, AlarmRaised | AlarmTold)
            self.facts.append(entry.fact)
        self.alarms = Alarms.of(self.facts)
        self._news = asyncio.Event()
        self._forget()

    async def add(self, fact: AlarmRaised | AlarmTold) -> None:
        """Remember a fact, and write it down as far as the disk lets us."""
        route = f":{fact.route}" if isinstance(fact, AlarmTold) else ""
        self.facts.append(fact)
        try:
            written = self._ledger.append(fact, self._clock.now(), f"{fact.alarm}:{fact.state}{route}")
            async with asyncio.timeout(COMMIT_S):
                await asyncio.shield(written)
        except (LedgerError, TimeoutError) as error:
            log.warning("%s is kept in memory only: %s", fact.kind, error or "the disk is slow")
        self._news.set()

    def waiting(self, route: str) -> tuple[Letter, ...]:
        """Return what waits for a route, oldest first."""
        return letters(self.facts, route)

    def given_up(self, route: str) -> int:
        """Return how many letters were given up since the last one that left."""
        return given_up(self.facts, route)

    async def news(self) -> None:
        """Wait until something was added, or a while."""
        self._news.clear()
        try:
            async with asyncio.timeout(LOOK_AGAIN_S):
                await self._news.wait()
        except TimeoutError:
            return

    def _forget(self) -> None:
        """Keep of the past only what still matters: open alarms, and letters that wait."""
        routes = {route for fact in self.facts if isinstance(fact, AlarmRaised) for route in fact.routes}
        matters = {alarm.alarm for alarm in self.alarms.open.values()}
        matters |= {letter.alarm for route in routes for letter in letters(self.facts, route)}
        last = {id(fact) for route in routes for fact in self._last_told(route)}
        self.facts = [fact for fact in self.facts if fact.alarm in matters or id(fact) in last]

    def _last_told(self, route: str) -> list[AlarmTold]:
        """Return the last letter that left by a route and those given up after it."""
        told = [fact for fact in self.facts if isinstance(fact, AlarmTold) and fact.route == route]
        return told[-given_up(self.facts, route) - 1 :]

    def tidy(self) -> None:
        """Forget, once in a while, what is over and told."""
        if len(self.facts) > 10 * WAITING_MOST:
            self._forget()


async def raise_alarms(book: AlarmBook, look: Look, policy: AlarmPolicy, clock: Clock, tick_s: float = LOOK_S) -> None:
    """Look at what is wrong, and write down what is to be told; for ever."""
    while True:
        book.alarms, news = book.alarms.look(look(), clock.now(), policy)
        for fact in news:
            log.info("alarm %s: %s", fact.state, fact.incident)
            await book.add(fact)
        book.tidy()
        await asyncio.sleep(tick_s)


async def forward(
    book: AlarmBook,
    route: str,
    messenger: Messenger,
    say: Say,
    quiet: Quiet,
    clock: Clock,
    zone: tzinfo,
    show: Show,
    via: Via,
) -> None:
    """Send what waits for one route, oldest first; for ever. A far end that refuses is tried again, less and less.

    Every other try leaves the way to the routes of the system: what we take for a living link may lead nowhere.
    """
    driver, wait_s, tries = f"alerts.{route}", FIRST_WAIT_S, 0
    show(driver, LiveDriver(working=True))
    while True:
        await _give_up(book, route)
        local = clock.now().utc.astimezone(zone).time()
        letter = next((one for one in book.waiting(route) if not waits(one, quiet, local)), None)
        if letter is None:
            await book.news()
            continue
        try:
            title, text = say(letter, book.given_up(route))
            await messenger.send(title, text, via() if tries % 2 == 0 else "")
        except DriverError as error:
            if not tries:
                log.warning("%s: %s; kept, and tried again", driver, error)
                show(driver, LiveDriver(working=False, why=str(error), since=clock.now().utc))
            tries += 1
            await asyncio.sleep(wait_s * random.uniform(0.8, 1.2))  # noqa: S311  (jitter, not a secret)
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)
            continue
        if tries:
            log.warning("%s: back", driver)
            show(driver, LiveDriver(working=True, since=clock.now().utc))
        tries, wait_s = 0, FIRST_WAIT_S
        await book.add(AlarmTold(letter.alarm, letter.state, route, sent=True))


async def _give_up(book: AlarmBook, route: str) -> None:
    """Bound what waits: the oldest that are over are given up first, and loudly."""
    waiting = book.waiting(route)
    beyond = len(waiting) - WAITING_MOST
    if beyond <= 0:
        return
    log.error("alerts.%s: %d messages wait; the %d oldest are given up", route, len(waiting), beyond)
    over = [one for one in waiting if one.state is AlarmState.CLOSED]
    for letter in (over + [one for one in waiting if one not in over])[:beyond]:
        await book.add(AlarmTold(letter.alarm, letter.state, route, sent=False))
