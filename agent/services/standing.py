"""What every service stands on: its ledger, roster and clock, its supervised stories, its live picture, its watchdog.

A service module only *wires*: it opens drivers and hands them to stories through `Standing.mind`. `stand` then runs
it as a process: READY to systemd (sd_notify(3)) once the database opens and its head re-hashes, a watchdog fed by the
same loop that publishes the picture, and an orderly end at SIGTERM or when the parent's pipe closes. The simulated
site wires all services onto one loop in virtual time instead; the stories do not notice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import drivers
from agent import VERSION
from agent.config import Places, Site
from agent.live import (
    LiveDevice,
    LiveDoor,
    LiveDriver,
    LiveLink,
    LiveRelease,
    LiveSpool,
    LiveTab,
    Picture,
    read_pictures,
    write_picture,
)
from agent.memory.kept import KeptList
from agent.memory.ledger import Ledger, LedgerError
from agent.memory.roster import RosterStore
from agent.rules.health import ServiceStarted
from agent.services.lost import ListedRoster, LostLedger, LostRoster
from agent.stories.supervise import Ward, announce, supervise
from drivers.contract import CardReader, Clock, DriverError, ReaderId

if TYPE_CHECKING:  # loaded where they are used: a door without them is ready sooner
    from agent.rules.door import Conditions
    from agent.tape import Tape
    from drivers.sim import SimBuilding

log = logging.getLogger(__name__)

PUBLISH_S = 1.0
REOPEN_S = 2.0
SOON_S = 0.05  # a change is published this soon; several at once are one picture
CHILD = "GARDIEN_CHILD"  # set by `gardien run`: standard input is the parent's pipe; its end is ours

Story = Callable[[], Awaitable[None]]


class Standing:
    """One service's footing. Wiring fills it; `run` keeps it going until cancelled."""

    def __init__(
        self,
        service: str,
        site: Site,
        places: Places,
        clock: Clock,
        ledger: Ledger,
        roster: RosterStore,
        building: SimBuilding | None = None,
        tape: Tape | None = None,
    ) -> None:
        self.service, self.site, self.places, self.clock = service, site, places, clock
        self.ledger, self.roster = ledger, roster
        self._building = building
        self.tape = tape
        self.publish_s = PUBLISH_S
        self.stack = contextlib.AsyncExitStack()  # drivers and sockets, closed in reverse order at the end
        self._stories: list[Story] = []
        self._drivers: dict[str, LiveDriver] = {}
        self._links: dict[str, LiveLink] = {}
        self._devices: dict[str, LiveDevice] = {}
        self._release: LiveRelease | None = None
        self._tabs: Mapping[str, LiveTab] = {}
        self._door: LiveDoor | None = None
        self._spool: LiveSpool | None = None
        self._certificate_until: datetime | None = None
        self._last_out: datetime | None = None
        self._news = asyncio.Event()

    @property
    def building(self) -> SimBuilding:
        """Return the simulated building that plays every `kind = "sim"` of this process; made at first use."""
        if self._building is None:
            from drivers.sim import SimBuilding

            self._building = SimBuilding(self.clock)
        return self._building

    @property
    def simulates(self) -> bool:
        """Tell whether anything here is simulated."""
        return self._building is not None

    def open_reader(self, name: str, conditions: Callable[[], Conditions] | None = None) -> CardReader:
        """Return a card reader of the site file; its port opens when its badges are asked for.

        `conditions`: what its badges are judged by beside the roster, for the tape.
        """
        config = self.site.readers[name]
        reader = drivers.open_reader(
            config.kind,
            lambda: self.building,
            self.clock,
            ReaderId(name),
            device=config.device,
            baud=config.baud,
            frame=config.frame,
            line_prefix=config.line_prefix,
            line_end=config.line_end,
            byte_order=config.byte_order,
        )
        if self.tape is None:
            return reader
        from agent.tape import TapedReader

        return TapedReader(reader, self.roster, self.tape, conditions)

    def mind(
        self, driver: str, story: Story, longest_wait_s: float = 30.0, *, proof: asyncio.Event | None = None
    ) -> None:
        """Supervise `story`, which lives by `driver`; `proof` is set whenever that has answered."""
        ward = Ward(self.service, driver, longest_wait_s)
        self._stories.append(lambda: supervise(ward, story, self.ledger, self.clock, self.show_driver, proof))

    def keep(self, story: Story) -> None:
        """Run `story` beside the others, unsupervised: its failure is our bug."""
        self._stories.append(story)

    # the live picture: one setter per part, given to stories as their `show` --------------------------------

    def show_driver(self, driver: str, live: LiveDriver) -> None:
        """Show one driver's health."""
        self._drivers[driver] = live
        self._news.set()

    def show_link(self, link: str, live: LiveLink) -> None:
        """Show one link; published with the next regular picture unless its health changed."""
        was = self._links.get(link)
        self._links[link] = live
        if was is None or (was.health, was.cause) != (live.health, live.cause):
            self._news.set()

    def show_device(self, device: str, live: LiveDevice) -> None:
        """Show one printing device."""
        if self._devices.get(device) != live:
            self._devices[device] = live
            self._news.set()

    def show_spool(self, live: LiveSpool) -> None:
        """Show the print spooler."""
        if self._spool != live:
            self._spool = live
            self._news.set()

    def show_release(self, live: LiveRelease) -> None:
        """Show the jobs that wait for a badge, and what the last badges did."""
        if self._release != live:
            self._release = live
            self._news.set()

    def show_tabs(self, live: Mapping[str, LiveTab]) -> None:
        """Show who may pay for the copies at each copier."""
        if self._tabs != live:
            self._tabs = live
            self._news.set()

    def show_door(self, live: LiveDoor) -> None:
        """Show the door."""
        self._door = live
        self._news.set()

    def show_certificate(self, until: datetime) -> None:
        """Show when the certificate of the pages ends."""
        self._certificate_until = until
        self._news.set()

    def show_last_out(self, at: datetime | None) -> None:
        """Show when the last one left, while they may turn back."""
        if self._last_out != at:
            self._last_out = at
            self._news.set()

    def picture(self) -> Picture:
        """Return the picture of this instant."""
        return Picture(
            service=self.service,
            at=self.clock.now(),
            pid=os.getpid(),
            version=VERSION,
            drivers=dict(self._drivers),
            links=dict(self._links),
            devices=dict(self._devices),
            release=self._release,
            tabs=self._tabs,
            door=self._door,
            spool=self._spool,
            ledger_ok=not self.ledger.fault,
            ledger_why=self.ledger.fault,
            roster_ok=not self.roster.fault,
            roster_why=self.roster.fault,
            list_from=self.roster.list_from if isinstance(self.roster, ListedRoster) else None,
            nobody_known=isinstance(self.roster, ListedRoster) and self.roster.list_from is None,
            certificate_until=self._certificate_until,
            last_out=self._last_out,
        )

    async def _publish(self) -> None:
        shown = True
        while True:
            with contextlib.suppress(LedgerError):  # it shows in the picture as `roster_why`
                self.roster.roster()
            try:
                write_picture(self.places.run, self.picture())
                shown = True
            except OSError as error:  # a full or missing folder blinds the page; it must not shut the door
                if shown:
                    log.error("the live picture cannot be written: %s", error)  # noqa: TRY400  (one line)
                shown = False
            notify("WATCHDOG=1")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.publish_s):
                    await self._news.wait()
                    await asyncio.sleep(SOON_S)
            self._news.clear()

    async def run(self) -> None:
        """Run everything until cancelled; then close the drivers, the last opened first."""
        at = self.clock.now()
        with contextlib.suppress(LedgerError):  # it shows in the picture as `ledger_why`
            was = read_pictures(self.places.run).get(self.service)
            announce(ServiceStarted(self.service, VERSION), None if was is None else was.at, self.ledger, at)
        async with self.stack, asyncio.TaskGroup() as group:
            group.create_task(self._publish(), name="publish")
            for story in self._stories:
                group.create_task(_forever(story))


async def _forever(story: Story) -> None:
    await story()


Wire = Callable[[Standing], Awaitable[None]]


async def stand(service: str, site: Site, places: Places, wire: Wire, tape_folder: Path | None = None) -> None:
    """Run one service as this process until SIGTERM, SIGINT or the parent's end. Raises LedgerError, DriverError."""
    from drivers.clock import SystemClock

    os.umask(0o007)
    places.run.mkdir(parents=True, exist_ok=True)
    clock = SystemClock(places.run)
    with contextlib.ExitStack() as memory:
        with contextlib.suppress(OSError):  # a disk that takes no lock file takes no facts either: see below
            memory.callback(os.close, own_lock(places.state / f"{service}.lock"))
        tape: Tape | None = None
        if tape_folder:
            from agent.tape import Tape

            tape = Tape(tape_folder, service)
            memory.callback(tape.close)
        ledger, roster = _remember(service, places, clock, memory)
        standing = Standing(service, site, places, clock, ledger, roster, tape=tape)
        await wire(standing)
        if standing.simulates:
            await standing.stack.enter_async_context(obeying(standing))
        running = asyncio.create_task(standing.run())
        ends = {asyncio.create_task(_end()), asyncio.create_task(_back(places, clock, ledger, roster))}
        notify("READY=1")
        await asyncio.wait({running, *ends}, return_when=asyncio.FIRST_COMPLETED)
        notify("STOPPING=1")
        for task in (running, *ends):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


def _remember(service: str, places: Places, clock: Clock, memory: contextlib.ExitStack) -> tuple[Ledger, RosterStore]:
    """Open ledger and roster; what is lost has its stand-in where the service is of use without it.

    The door must open and go on without either; all others go on without the roster: there is a page to say so, and
    paper is counted by the last list. What counts needs its ledger. Raises LedgerError.
    """
    ledger: Ledger
    try:
        ledger = memory.enter_context(Ledger.open(places.state / "ledger.db"))
    except LedgerError as error:
        if service != "door":
            raise
        log.error("the door stands without the ledger: %s", error)  # noqa: TRY400  (one line for the operator)
        ledger = LostLedger(str(error))
    try:
        return ledger, memory.enter_context(RosterStore.open(places.state, ledger, clock))
    except LedgerError as error:
        log.error("%s goes on without the roster: %s", service, error)  # noqa: TRY400  (one line)
        if service == "paper":
            return ledger, ListedRoster(str(error), paper_list(places))
        return ledger, LostRoster(str(error), KeptList(places.state, places.run))


def paper_list(places: Places) -> KeptList:
    """Return where the paper service keeps its last valid list."""
    return KeptList(places.state, places.run, "paper", names=True)


async def _back(places: Places, clock: Clock, ledger: Ledger, roster: RosterStore) -> None:
    """Return once what was lost opens again: the service then ends, to be started on it."""

    def opens() -> None:
        with Ledger.open(places.state / "ledger.db") as again:
            store = RosterStore.open(places.state, again, clock)
            try:
                store.roster()
            finally:
                store.close()

    while True:
        await asyncio.sleep(REOPEN_S)
        if isinstance(ledger, LostLedger) or roster.fault:
            with contextlib.suppress(LedgerError):
                await asyncio.to_thread(opens)
                if isinstance(ledger, LostLedger) or roster.fault:  # it has not come back by itself meanwhile
                    return


@contextlib.asynccontextmanager
async def obeying(standing: Standing) -> AsyncIterator[None]:
    """Let the simulated building of this process obey verbs, as the action `verb` of `gardien tell`."""
    from agent.ask import Answer, Request, answering
    from drivers.verbs import VerbError, parse

    async def obey(request: Request) -> Answer:
        try:
            return Answer(done=True, says=standing.building.obey(parse(request.arguments.get("line", ""))))
        except VerbError as error:
            return Answer(done=False, says=str(error))

    async with answering(standing.places.run, f"sim-{standing.service}", standing.clock, obey):
        yield


async def _end() -> None:
    """Return when this process is asked to end."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    if os.environ.get(CHILD):

        def parent_spoke() -> None:
            if not os.read(sys.stdin.fileno(), 4096):
                loop.remove_reader(sys.stdin.fileno())
                ended.set()

        loop.add_reader(sys.stdin.fileno(), parent_spoke)
    await ended.wait()


def notify(state: str) -> None:
    """Tell systemd, where there is one (sd_notify(3)); silent elsewhere."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as unix:
        unix.connect("\0" + address[1:] if address.startswith("@") else address)
        unix.send(state.encode())


def own_lock(path: Path) -> int:
    """Hold an exclusive lock file for the life of this process. Raises DriverError if another holds it."""
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise DriverError(f"another gardien already runs here ({path.name})") from error
    return handle
