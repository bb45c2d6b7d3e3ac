"""Fetches a known page over one link, and measures how fast a line delivers one.

The one idea: a page whose words we know tells a portal or a suspended line from the internet, and the *spacing* of the
packets of a short download tells the line's rate without filling the line for seconds: packets that queued at the
slowest hop leave it one behind the other, and the median over short windows forgets the pauses of TCP's slow start and
what queued before. Which link it is, is the *road's* business: the kernel's TCP bound to an interface of its own
(`drivers.boundtcp`), or ours through one of two boxes on one interface (`drivers.pinnedtcp`).

HTTP/1.1 (RFC 9112), one GET, no TLS, no redirect followed, no name resolved.
"""

from __future__ import annotations

import asyncio
import errno
import re
from dataclasses import dataclass
from statistics import median
from typing import Protocol

from drivers.contract import Clock, DriverError, LinkId
from drivers.probing import CheckRate, IcmpError, Outcome, Page, ProbeKind, ProbeReply

PORT = 80
HEAD = 4096  # bytes of an answer that are looked at
WINDOW = 16  # packets: their 15 gaps make one rate
FEWEST = 4 * WINDOW  # packets without which there is no rate
CANARY_LIMIT_S = 4.0
IDLE_S, LIMIT_S = 1.0, 15.0  # how long the line is watched for others' traffic; how long a download may take


class TurnedAway(OSError):  # noqa: N818  (it is what happened)
    """A router on the way said that there is none."""

    def __init__(self, error: IcmpError) -> None:
        super().__init__(errno.EHOSTUNREACH, "no route")
        self.error = error


class HungUp(ConnectionResetError):  # noqa: N818  (it is what happened)
    """The far end reset the connection, after these first bytes of its answer."""

    def __init__(self, head: bytes) -> None:
        super().__init__(errno.ECONNRESET, "reset")
        self.head = head


class Road(Protocol):
    """How pages are read over one link. One at a time; the caller limits the time. Every method raises OSError."""

    mac: str  # the box that everything it delivers came through; "" where that is not seen
    strays: int  # frames that came in a conversation's name and were not of it: forged, damaged, of another box

    @property
    def busy(self) -> bool:
        """Tell whether a page is being read: another would wait."""

    async def read(self, page: Page, most: int) -> bytes:
        """Return the first bytes of an answer. Raises TurnedAway, ConnectionRefusedError, HungUp."""

    async def download(self, page: Page, most: int) -> Delivered:
        """Get at most `most` bytes, and some more that are under way then, and say when each packet came."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a page's server said."""

    outcome: Outcome
    says: str  # status and Location, or why there is none
    error: IcmpError | None = None  # UNREACHABLE: who said so, where anybody did


NOT_WHOLE = Fetched(Outcome.UNREACHABLE, "reset")


async def probe(clock: Clock, link: LinkId, road: Road, page: Page) -> ProbeReply:
    """Get the page within `CANARY_LIMIT_S` and return that probe's fate."""
    began_s = clock.now().mono_s
    try:
        async with asyncio.timeout(CANARY_LIMIT_S):
            got = await fetch(road, page)
    except TimeoutError:
        got = Fetched(Outcome.LOST, "")
    now = clock.now()
    rtt_s = now.mono_s - began_s if got.outcome is Outcome.REPLIED else None
    mac = "" if got.outcome is Outcome.LOST else road.mac
    return ProbeReply(now, link, ProbeKind.CANARY, page.at, got.outcome, rtt_s, began_s, mac, got.error, says=got.says)


async def fetch(road: Road, page: Page) -> Fetched:
    """Get the page and compare it. Raises TimeoutError; the caller limits the time."""
    try:
        head = await road.read(page, HEAD)
    except TimeoutError:
        raise
    except TurnedAway as away:
        return Fetched(Outcome.UNREACHABLE, "no route", away.error)
    except HungUp as cut:
        return judged(page, cut.head, cut=True)
    except ConnectionRefusedError:
        return Fetched(Outcome.REFUSED, "refused")
    except OSError as error:
        return Fetched(Outcome.UNREACHABLE, error.strerror or "no route")
    return judged(page, head)


def request_for(page: Page) -> bytes:
    """Return what is asked for a page."""
    return (
        f"GET {page.path} HTTP/1.1\r\nHost: {page.host}\r\nUser-Agent: gardien\r\nConnection: close\r\n\r\n"
    ).encode("ascii")


def judged(page: Page, head: bytes, *, cut: bool = False) -> Fetched:
    """Compare an answer's first bytes with what the page says.

    `cut`: it was broken off there. What is not whole (RFC 9112 section 8), as far as it is looked at, is no answer: the
    line failed, and nobody said anything wrong. So is one in which nothing was said.
    """
    match = re.match(rb"HTTP/1\.[01] (\d{3})[^\r\n]*\r\n", head)
    if match is None:
        return Fetched(Outcome.WRONG, "no HTTP") if head and not cut else NOT_WHOLE
    status = int(match[1])
    headers, whole, body = head.partition(b"\r\n\r\n")
    location = re.search(rb"(?im)^location:[ \t]*([^\r\n]{0,160})", headers)
    says = f"{status} {location[1].decode('ascii', 'replace').strip() if location else ''}".strip()
    right = body.startswith(page.says.encode()) if page.says and status == 200 else status == 204 and not page.says
    if right:
        return Fetched(Outcome.REPLIED, says)
    if cut and (not whole or (status == 200 and page.says and page.says.encode().startswith(body))):
        return NOT_WHOLE
    return Fetched(Outcome.REFUSED if status >= 500 else Outcome.WRONG, says)


@dataclass(frozen=True, slots=True)
class Delivered:
    """A download: what it cost, and each packet's arrival (seconds) and IP bytes."""

    received_bytes: int
    arrivals: tuple[tuple[float, int], ...]


class Meter(Protocol):
    """What tells whether a line is in use."""

    def counters(self) -> tuple[int, int] | None:
        """Return the bytes received and sent so far; None if nobody counts."""


async def rate(meter: Meter, road: Road, page: Page | None, ask: CheckRate) -> tuple[float | None, int, str]:
    """Measure the contract rate: bits of IP per second or None, what it cost in bytes, and why there is no rate."""
    if page is None:
        return None, 0, "failed: no page for it"
    before = meter.counters()
    await asyncio.sleep(IDLE_S)
    after = meter.counters()
    if before is None or after is None or 8 * sum(b - a for a, b in zip(before, after, strict=True)) > ask.idle_bit_s:
        return None, 0, "busy"
    try:
        async with asyncio.timeout(LIMIT_S):
            got = await road.download(page, ask.max_bytes)
    except TimeoutError:
        return None, _spent(after, meter.counters()), "failed: too slow"
    except (DriverError, OSError) as error:
        return None, _spent(after, meter.counters()), f"failed: {getattr(error, 'strerror', '') or error}"
    measured = rate_of(got.arrivals)
    return measured, got.received_bytes, "" if measured else "failed: too few packets"


def _spent(before: tuple[int, int], after: tuple[int, int] | None) -> int:
    return after[0] - before[0] if after else 0


def rate_of(arrivals: tuple[tuple[float, int], ...]) -> float | None:
    """Return the bits per second at which a line delivers, from the median of short windows; None of too few packets.

    A window's rate is that of every packet after its first. Windows in which TCP waited for its own acknowledgements
    are slower than the line: what is below half of the median is left out, and the median taken again.
    """
    if len(arrivals) < FEWEST:
        return None
    rates = sorted(
        8 * sum(size for _, size in arrivals[at + 1 : at + WINDOW]) / lasted_s
        for at in range(len(arrivals) - WINDOW + 1)
        if (lasted_s := arrivals[at + WINDOW - 1][0] - arrivals[at][0]) > 0
    )
    if len(rates) < WINDOW:
        return None
    middle = median(rates)
    return median(rate for rate in rates if rate >= middle / 2)
