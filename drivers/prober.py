"""Probes one internet link with whole Ethernet frames, so that no probe can leave by another link.

The one idea: routes lie when a link dies, frames do not. Every probe is a complete Ethernet frame (RFC 894), addressed
to the MAC that *this* link's gateway gave by ARP (RFC 826) and written to *this* interface; what comes back counts only
if it comes from that MAC. No routing table, rule or firewall of the host takes part, so two boxes may stand on one
LAN, with one address, and still each be probed alone (`gateway_mac`). Only pages (the canary, the rate check) are read
by the kernel's TCP where a link has its interface for itself; where two boxes share it, by ours (`drivers.pinnedtcp`).

Slow and polite when healthy, ten times a second when asked (`contract.Burst`); `drivers.probing.ProbePlan` says what is
sent. Each probe has exactly one fate, told at its reply or its deadline. The deadline follows what the target needed
lately (4 x, between 0.3 and 2 s), so a filled queue soon shows as delay; what comes until 10 s after the sending is
LATE. Nothing blocks, there are no threads.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial

from drivers import canary
from drivers.boxcount import BoxCount
from drivers.contract import Clock, DriverError, LinkId, Moment
from drivers.flights import Flight, Flights, Patience, Strays, meaning, round_trip
from drivers.frames import Heard, Sort, read_frame
from drivers.hop import HopFinder
from drivers.pace import paced
from drivers.pinnedtcp import road_of
from drivers.probing import (
    FULL,
    Ask,
    Burst,
    CheckRate,
    LinkSight,
    Outcome,
    Page,
    ProbeKind,
    ProbePlan,
    ProbeReply,
    RateMeasured,
)
from drivers.selfwatch import SelfWatch
from drivers.wire import BROADCAST, Frames, Wire, mac_of

QUEUE_LIMIT = 4096  # fates nobody has read
TOGETHER_S = 0.02  # probes that leave within it share one look at the carrier, which takes a lock of the kernel's


class _Round:
    """The probes of one run of `replies`: sends what is due, matches what comes back, tells each fate once."""

    def __init__(self, prober: ScapyProber, wire: Wire, road: canary.Road) -> None:
        self._prober, self._plan, self._wire, self._road = prober, prober.plan, wire, road
        self._loop = asyncio.get_running_loop()
        self._sights: asyncio.Queue[LinkSight | DriverError] = asyncio.Queue()  # bounded by `_say`
        self._timer: asyncio.TimerHandle | None = None
        self._planned_s = 0.0  # when the timer should have woken us
        self._tasks: set[asyncio.Task[None]] = set()
        self._pinned = mac_of(self._plan.gateway_mac) if self._plan.gateway_mac else b""
        self._box = b""  # the MAC that answered the last ARP
        self._box_at_s: float | None = None
        self._box_silent = False
        self._carrier, self._carrier_until_s = False, 0.0
        self._frames = Frames(wire, self._plan)
        self._flights = Flights(wire.ident, wire.port, self._plan.targets[-1])
        self._held: list[tuple[int, Flight]] = []  # what waits for the box's MAC
        self._number = secrets.randbelow(1 << 16)
        self._count = BoxCount(self._plan.box_counters) if self._plan.box_counters else None
        self._patience = Patience()
        self._hop = HopFinder()
        self._turns: Counter[ProbeKind] = Counter()
        now = prober.clock.now()
        self._self = SelfWatch(prober.link, wire, now)
        self._pace = paced(now.mono_s, self._plan, self)

    def start(self) -> None:
        """Begin to probe. Raises DriverError if the interface has no address to ask from."""
        self._frames.readdress()
        if not self._frames.source:
            raise DriverError(f"the interface {self._wire.interface} has no IPv4 address")
        self._loop.add_reader(self._wire.handle, self._guarded, self._arrived)
        self._planned_s = self._prober.clock.now().mono_s
        self._guarded(self._tick)

    def stop(self) -> None:
        """Probe no more."""
        self._loop.remove_reader(self._wire.handle)
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()

    async def sight(self) -> LinkSight:
        """Return the next sight. Raises DriverError."""
        sight = await self._sights.get()
        if isinstance(sight, DriverError):
            raise sight
        return sight

    def ask(self, ask: Ask) -> None:
        """Begin what was asked for."""
        match ask:
            case Burst():
                self._pace.burst(self._prober.clock.now().mono_s, ask.for_s, ask.kind)
                self._guarded(self._tick)
            case CheckRate():
                self._start(self._check_rate(ask))

    def _guarded(self, step: Callable[[], None]) -> None:
        """Run one callback of the loop; what the world does to it reaches the reader of `sight`."""
        try:
            step()
        except DriverError as fault:
            self.stop()
            self._sights.put_nowait(fault)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _tick(self) -> None:
        now = self._prober.clock.now()
        starved = self._self.woken(now.mono_s - self._planned_s)
        self._drain()  # whatever arrived while the loop was busy was in time
        if starved:
            self._read(now)
        for act in self._pace.due(now.mono_s):
            act()
        self._expire(now)
        self._stamp()  # what has just left would wake us again for it
        self._wind()

    def _arrived(self) -> None:
        """Hear what came, and wait no more for what it answered."""
        self._drain()
        self._wind()

    def _wind(self) -> None:
        """Wake up when the next probe is due or the next deadline ends; not for a deadline that has been met."""
        now_s = self._prober.clock.now().mono_s
        waiting = [flight.due_s for flight in self._flights.waiting()]
        self._planned_s = min(self._pace.next_s(now_s), *waiting, now_s + self._plan.interval_s)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(self._planned_s - now_s, self._guarded, self._tick)

    def ask_arp(self) -> None:
        """See `pace.Asker`."""
        self._read(self._prober.clock.now())
        if self._frames.readdress():
            self._box, self._box_at_s = b"", None
        if self._frames.gateway:
            self._launch(ProbeKind.ARP, self._frames.gateway)
        if self._count is not None and self._carrier:
            macs, addresses = (self._wire.mac, self._pinned or self._box), (self._frames.source, self._frames.gateway)
            for frame in self._count.due(self._prober.clock.now().mono_s, macs, addresses, self._wire.port):
                self._wire.send(frame, -1)

    def ask_hop(self) -> None:
        """See `pace.Asker`."""
        self._launch(ProbeKind.HOP, self._hop.address, ttl=self._hop.ttl)
        if self._turns[ProbeKind.ECHO] % len(self._plan.targets) == len(self._plan.targets) - 1:
            self._turns[ProbeKind.ECHO] += 1  # it went to the last target: the echo after it asks another

    def ask_targets(self) -> None:
        """See `pace.Asker`."""
        for _ in range(self._plan.at_once):
            self._launch(ProbeKind.ECHO, self._turn(ProbeKind.ECHO))

    def ask_full(self) -> None:
        """See `pace.Asker`."""
        self._launch(ProbeKind.ECHO, self._plan.targets[0], size=FULL)

    def ask_syn(self) -> None:
        """See `pace.Asker`."""
        self._launch(ProbeKind.SYN, self._turn(ProbeKind.SYN, self._plan.targets[1:]))  # the full echo asks the first

    def _turn(self, kind: ProbeKind, targets: tuple[str, ...] = ()) -> str:
        self._turns[kind] += 1
        targets = targets or self._plan.targets
        return targets[(self._turns[kind] - 1) % len(targets)]

    def _launch(self, kind: ProbeKind, target: str, *, size: int = 0, ttl: int = 0) -> None:
        """Send one probe, or hold it until the box's MAC is known, as the kernel would."""
        now = self._prober.clock.now()
        rare = bool(size) or kind in (ProbeKind.DNS, ProbeKind.SYN)
        lasts_s = self._patience.lasts_s(target, self._plan.interval_s, arp=kind is ProbeKind.ARP, rare=rare)
        flight = Flight(kind, target, now.mono_s, now.mono_s + lasts_s, size, ttl)
        self._number = (self._number + 1) & 0xFFFF
        self._flights.add(self._number, flight)
        if self._carries(now) and self._write(self._number, flight):
            return
        self._flights.drop(self._number)
        for each in self._flights.waiting():
            self._lose(each, now)
        self._box = b""  # another box may be plugged in
        flight.sent_s = None
        self._tell(flight, now, Outcome.NO_CARRIER)

    def _carries(self, now: Moment) -> bool:
        if now.mono_s >= self._carrier_until_s:
            self._carrier, self._carrier_until_s = self._wire.carries(), now.mono_s + TOGETHER_S
        return self._carrier

    def _write(self, number: int, flight: Flight) -> bool:
        """Write the frame; False if the interface has just gone down."""
        if flight.kind is ProbeKind.ARP:
            flight.mac = self._pinned or (b"" if self._box_silent else self._box)
        else:
            flight.mac = self._pinned or self._box
            if not flight.mac:
                self._held.append((number, flight))
                return True
        frame = self._frames.of(flight.kind, flight.target, number, size=flight.size, ttl=flight.ttl)
        frame[:6] = flight.mac or BROADCAST
        return self._wire.send(frame, number)

    def _stamp(self) -> None:
        for number, left_s in self._wire.stamps():
            self._flights.left(number, left_s)

    def _drain(self) -> None:
        self._stamp()
        for frame, stamp in self._wire.frames():
            heard = read_frame(frame)
            if heard is not None:
                self._hear(heard, self._prober.clock.now(), stamp)
            else:
                self._self.foreign += 1

    def _hear(self, heard: Heard, now: Moment, stamp: float) -> None:
        if heard.sort is Sort.SNMP and self._count is not None and self._count.hear(heard, now.mono_s):
            return
        flight = self._flights.answered_by(heard)
        if flight is None:
            if heard.sort is not Sort.ARP or heard.target == self._frames.gateway:
                self._self.foreign += 1
                self._prober.strays.foreign += 1
            return
        rtt_s, kernel = round_trip(flight, now, stamp)
        if flight.answered:
            self._prober.strays.double += 1
            if heard.sort is not Sort.TCP:  # a server that did not hear our reset says it again: TCP's own way
                self._tell(flight, now, Outcome.DUPLICATE, rtt_s=rtt_s, kernel=kernel, heard=heard)
            return
        flight.answered = True
        self._learn(flight, heard, now, rtt_s)
        if not flight.told and rtt_s > flight.due_s - (flight.sent_s or 0.0):
            self._lose(flight, now)
        if flight.told:
            self._prober.strays.late += 1
            self._tell(flight, now, Outcome.LATE, rtt_s=rtt_s, kernel=kernel, heard=heard)
            return
        flight.told = True
        outcome, says = meaning(flight, heard, self._plan.answers)
        replied = outcome is Outcome.REPLIED
        self._tell(
            flight, now, outcome, rtt_s=rtt_s if replied else None, kernel=kernel and replied, heard=heard, says=says
        )

    def _learn(self, flight: Flight, heard: Heard, now: Moment, rtt_s: float) -> None:
        """Keep what an answer teaches, also a late one: the box's MAC, the hop, how long the target takes now."""
        if heard.sort is Sort.ARP:
            self._box, self._box_at_s, self._box_silent = heard.mac, now.mono_s, False
            held, self._held = self._held, []
            for number, waiting in held:
                if not waiting.told:  # its time begins now
                    lasts_s = waiting.due_s - (waiting.sent_s or 0.0)
                    waiting.sent_s, waiting.due_s = now.mono_s, now.mono_s + lasts_s
                    self._write(number, waiting)
            return
        if flight.kind is ProbeKind.HOP and (heard.error is None or heard.error.type == 11):
            self._hop.answered(flight.ttl, heard.error.by if heard.error else heard.target)
            flight.target = self._hop.address or (heard.error.by if heard.error else heard.target)
        if flight.kind is ProbeKind.ECHO and heard.error is None:
            self._hop.reached()
        self._patience.learn(flight.target, rtt_s)

    def _expire(self, now: Moment) -> None:
        for flight in self._flights.waiting():
            if flight.due_s <= now.mono_s:
                self._lose(flight, now)
        self._flights.forget(now.mono_s)

    def _lose(self, flight: Flight, now: Moment) -> None:
        flight.told, again = True, False
        if flight.kind is ProbeKind.ARP:
            again = not self._box_silent and not self._pinned  # at once, by broadcast: it may be another box
            self._box_silent = True
            self._held.clear()
        if flight.kind is ProbeKind.HOP:
            self._hop.lost(flight.ttl)
        if self._self.spoiled(now):
            self._read(now)
        self._tell(flight, now, Outcome.LOST)
        if again and self._carries(now):
            self._launch(ProbeKind.ARP, flight.target)

    def _tell(
        self,
        flight: Flight,
        now: Moment,
        outcome: Outcome,
        *,
        rtt_s: float | None = None,
        kernel: bool = False,
        heard: Heard | None = None,
        says: str = "",
    ) -> None:
        mac = heard.mac.hex(":") if heard else ""
        error = heard.error if heard and outcome is Outcome.UNREACHABLE else None
        probe = self._prober.link, flight.kind, flight.target
        self._say(ProbeReply(now, *probe, outcome, rtt_s, flight.sent_s, mac, error, says, kernel, flight.size))

    def _say(self, sight: LinkSight) -> None:
        if self._sights.qsize() >= QUEUE_LIMIT:
            raise DriverError(f"{QUEUE_LIMIT} probes of {self._prober.link} were told and nobody listened")
        self._sights.put_nowait(sight)

    def _read(self, now: Moment) -> None:
        """Say how the interface is, and how far we trust ourselves since the last time."""
        self._self.foreign += self._road.strays
        self._prober.strays.foreign += self._road.strays
        self._road.strays = 0
        box, carrier, counted = self._pinned or self._box, self._carries(now), None
        if self._count is not None:
            counted = self._count.totals(now.mono_s)
        elif not self._pinned:
            counted = self._wire.counters()
        self._say(self._self.reading(now, carrier=carrier, box=box, box_at_s=self._box_at_s, counted=counted))

    def counters(self) -> tuple[int, int] | None:
        """See `canary.Meter`: what the box says of its line, else what our interface saw."""
        counted = None if self._count is None else self._count.totals(self._prober.clock.now().mono_s)
        return counted or self._wire.counters()

    def ask_name(self, resolver: str) -> None:
        """See `pace.Asker`."""
        self._launch(ProbeKind.DNS, resolver)

    def ask_page(self, page: Page) -> None:
        """See `pace.Asker`."""
        if self._wire.carries() and not self._road.busy:
            self._start(self._fetch(page))

    async def _fetch(self, page: Page) -> None:
        told = await canary.probe(self._prober.clock, self._prober.link, self._road, page)
        self._guarded(partial(self._say, told))

    async def _check_rate(self, ask: CheckRate) -> None:
        rate, cost, why = await canary.rate(self, self._road, self._plan.rate, ask)
        now = self._prober.clock.now()
        self._guarded(partial(self._say, RateMeasured(now, self._prober.link, rate, cost, why)))


class ScapyProber:
    """`contract.Prober` on one interface. Needs CAP_NET_RAW (packet(7)). `strays` is there for metrics.

    A silent box is asked by broadcast, so one with a new MAC is found, unless the plan names its MAC.
    """

    def __init__(self, clock: Clock, link: LinkId, interface: str, plan: ProbePlan) -> None:
        self.clock, self.link, self.interface, self.plan = clock, link, interface, plan
        self.strays = Strays()
        self._round: _Round | None = None

    def ask(self, ask: Ask) -> None:
        """See `probing.Prober`."""
        if self._round is not None:
            self._round.ask(ask)

    async def replies(self) -> AsyncIterator[LinkSight]:
        """Yield every sight until closed. Raises DriverError when the interface or the permission is missing."""
        with Wire(self.interface) as wire, road_of(wire, self.plan) as road:
            self._round = _Round(self, wire, road)
            try:
                self._round.start()
                while True:
                    yield await self._round.sight()
            finally:
                self._round.stop()
                self._round = None
