"""Settles attempts whose record is missing or does not say, by the device's counters or, without any, by the document.

Alone on the counters' movement an attempt is counted exactly (evidence COUNTER); among others it is booked with what
the others leave of the movement as its interval, and the rest of the movement stays unattributed. Without counters a
document the device says it completed is its counted sides (FORECAST), anything else is [0, what is claimed] (CLAIMED).

The one idea: *a movement of the counters is the sum of its parts*. Each attempt is bounded by what it may be, and by
what the others leave of the movement; where that leaves one number it is certain, else its interval holds the truth and
`rules.review` waits for somebody to say. A device that tells only a total proves less, for some of a movement may be
copies: there only a whole that is claimed to the side is certain. What a record told before it was lost did come out,
whatever else is not known. Pure.

A spooler's word bounds only what it has read. What it passes on as it came (raster, a language of the printer's own) it
claims to be one side, for each copy and each time it sends it, however long it is. So its word is a bound where it says
more than that, of a kind of document that it has to read to print it.

A document bounds what it can have come to with all that may come beside it: its banners, and the blank back of the last
sheet of each copy of each document, and of each banner, which some machines count as a side and others do not. Who
asked for one side has none; what was lost without saying how it was printed may have all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

from agent.rules.columns import Sides, halved
from agent.rules.pages import (
    LOST,
    PLAIN,
    AttemptKnown,
    Errand,
    Evidence,
    Owner,
    attempt,
    free_of,
    spooled_name,
)
from agent.rules.sheets import large, sheets_of
from drivers.contract import DeviceJob, JobState, SpoolJob

READ = ("application/pdf", "text/", "image/jpeg", "image/png", "image/gif", "image/tiff")  # by CUPS's filters, always
UNREAD = 500  # sides: more than anybody prints in one job at a place like ours, where nobody at all can say


@dataclass(frozen=True, slots=True)
class Claim:
    """An ended attempt whose record is missing, or does not say how many sides: only the counters can settle it."""

    device: str
    serial: str
    attempt: str
    whose: Owner
    most: int | None  # no more sides than this: what the spooler claims, or the document has; None if nobody says
    state: str
    copies: int = 1
    two_sided: bool = False
    errand: Errand = PLAIN
    recorded: bool = False  # the device has a record of it, which does not say
    large: bool = False  # A3 or larger, as its record says
    apart: bool = True  # the device tells prints from copies: what its print counters moved is prints
    seen: int = 0  # sides its record told while it printed, before that was lost: it cannot be fewer
    sized: bool = False  # `large` was told
    began_s: float = inf  # Unix seconds, by our clock: when it was sent, at the earliest
    read: bool = True  # `most` is a bound; False: the word of a spooler that may have passed a document on unread

    @property
    def sure(self) -> bool:
        """Return True if it cannot be more than `most`: it was counted in the document, and is no spooler's word."""
        return self.errand.forecast is not None

    @property
    def least(self) -> int:
        """Return the sides it has at least: seen, or of a counted document that the device says it completed."""
        if self.recorded and self.state == JobState.COMPLETED:
            return max(self.seen, self.errand.forecast or 0)
        return self.seen

    @property
    def said(self) -> int | None:
        """Return how many sides it has by somebody's word for a whole document; None where nobody says so.

        A spooler pads the blank backs of two-sided jobs, so of a record its word is taken one-sided alone.
        """
        if self.state != JobState.COMPLETED:
            return None
        if self.sure:
            return self.errand.forecast
        if self.recorded:
            return None if self.two_sided else self.errand.claimed
        return self.most

    def row(self, mono: int, colour: int, high: int, evidence: Evidence, shared: Shared | None = None) -> AttemptKnown:
        """Return the fact: at least `mono` + `colour` sides, at most `high`, of a movement `shared` with others."""
        free, why_free = free_of(self.errand, mono + colour, self.state, both=self.two_sided, lost=not self.recorded)
        return AttemptKnown(
            device=self.device,
            serial=self.serial,
            attempt=self.attempt,
            alias=self.whose.alias,
            member=self.whose.member,
            formula=self.whose.formula,
            sides_mono=mono,
            sides_colour=colour,
            sheets=sheets_of(
                mono + colour, self.copies, two_sided=self.two_sided, state=self.state, banners=self.errand.banners
            ),
            low=mono + colour,
            high=high,
            evidence=evidence,
            state=self.state,
            spooled=self.errand.spooled,
            large=self.large,
            free=free,
            why_free=why_free,
            epoch=0 if shared is None else shared.epoch,
            group="" if shared is None else shared.name,
            moved=0 if shared is None else shared.sides,
            level=self.whose.level,
            banners=self.errand.banners,
            told=self.errand.forecast,
            copies=self.copies,
            two_sided=self.two_sided,
        )


@dataclass(frozen=True, slots=True)
class Shared:
    """A movement of the counters that attempts have a part in."""

    epoch: int
    name: str
    sides: int


def unsaid(job: DeviceJob, whose: Owner, errand: Errand = PLAIN) -> Claim:
    """Return the claim of a record that does not say how many sides it printed."""
    return Claim(
        device=job.device,
        serial=job.serial,
        attempt=attempt(job),
        whose=whose,
        most=_at_most(errand, _backs(job, errand)),
        state=job.state,
        copies=job.copies,
        two_sided=bool(job.two_sided),
        errand=errand,
        recorded=True,
        large=large(job.media),
        sized=bool(job.media),
    )


def _at_most(errand: Errand, backs: int) -> int | None:
    """Return the most that a forecast can become: with banners, and with blank backs, which some machines count."""
    return None if errand.forecast is None else errand.forecast + errand.banners + backs


def _backs(job: DeviceJob, errand: Errand) -> int:
    """Return how many blank backs a record may stand for: none if it was printed on one side."""
    return 0 if job.two_sided is False else errand.backs


def _one_sided(errand: Errand) -> bool:
    """Return True if one side was asked for: a banner would have a blank back else."""
    return errand.banners > errand.backs and errand.forecast is not None


def _read(job: SpoolJob, runs: int) -> bool:
    """Return True if the spooler, which sent the job so many times, has read its document."""
    return job.format.startswith(READ) and job.claimed_sides > max(1, job.copies) * runs


def unrecorded(
    device: str,
    serial: str,
    job: SpoolJob,
    whose: Owner,
    errand: Errand = PLAIN,
    *,
    turn: str = "",
    times: int = 1,
    runs: int = 1,
    seen: tuple[DeviceJob, ...] = (),
) -> Claim:
    """Return the claim of a spooled job that ended but left no record at the device (it lost its memory, say).

    `turn` tells attempts of one job apart, where more than one was lost; `times` is how many this claim stands for,
    `runs` how often the spooler sent the job at all, and `seen` are their records as they were last seen printing.
    A spooler adds its attempts up by itself; one that claims nothing knows nothing. If no record told otherwise, it may
    have been two-sided. A bound that was seen passed is none.
    """
    if errand.forecast is not None:
        errand = replace(errand, forecast=times * errand.forecast, banners=times * errand.banners)
    told = len(seen) == times  # of each of them something was seen
    sides = sum(one.sides or 0 for one in seen)
    backs = sum(_backs(one, errand) for one in seen) if told else times * errand.backs
    most = (job.claimed_sides or None) if errand.forecast is None else _at_most(errand, backs)
    if most is not None and most < sides:
        most = None
    known = replace(errand, spooled=errand.spooled or spooled_name(job))
    name = "/".join(filter(None, (LOST, spooled_name(job), turn)))
    return Claim(
        device=device,
        serial=serial,
        attempt=name,
        whose=whose,
        most=most,
        state=job.state,
        two_sided=not _one_sided(errand) and (not told or any(one.two_sided is not False for one in seen)),
        errand=known,
        large=told and all(large(one.media) for one in seen),
        seen=sides,
        sized=told and all(one.media for one in seen) and len({large(one.media) for one in seen}) == 1,
        read=errand.forecast is not None or _read(job, runs),
    )


def narrow(bounds: tuple[tuple[int, int], ...], moved: int) -> tuple[tuple[int, int], ...]:
    """Bound each part of a movement by what the other parts leave of it.

    Where all parts together cannot be that much, somebody else printed too: then only the upper bounds are sure.
    """
    lows, highs = sum(low for low, _ in bounds), sum(high for _, high in bounds)
    if highs < moved or lows > moved:
        return tuple((low, max(low, min(high, moved))) for low, high in bounds)
    return tuple((max(low, moved - (highs - high)), min(high, moved - (lows - low))) for low, high in bounds)


def settle(
    claims: tuple[Claim, ...], mono: int, colour: int, epoch: int = 0, name: str = ""
) -> tuple[AttemptKnown, ...]:
    """Count claims by a movement of the print counters that no record explains (`mono`, `colour` sides).

    Each is bounded by what it may be, and by what the others leave of the movement; one alone, no larger than it may
    be, is that movement. Where several share mono and colour sides, which is whose is not known: none is certain. No
    movement: a record that did not say printed nothing, the counters witness; a spooled job never reached the device.
    More movement than all of them claim: somebody else printed too, or the spooler claims too little (one side for
    a whole document it passed on unread): none is certain, and only what was counted in a document bounds it. Where
    the device does not tell copies apart, some of it may be copies: only what is claimed to the side is certain, each
    a whole document that ended well, with or without its banner. Nothing is then left of the movement for anybody else.
    Where several share it, the word of a spooler that may have passed a document on unread bounds none of them.
    `name` is the movement's own in the books of `epoch`, so that what is still open can be settled with its neighbours.
    """
    moved = mono + colour
    if mono < 0 or colour < 0 or moved == 0:
        return tuple(claim.row(0, 0, 0, Evidence.COUNTER) for claim in claims if claim.recorded)
    said = [claim.said for claim in claims if claim.said is not None]
    words = len(claims) == 1 or all(claim.read for claim in claims)
    exact = len(said) == len(claims) and sum(said) == moved and words
    seen = _within([claim.seen for claim in claims], moved)
    highs = said if exact else [moved if claim.most is None else claim.most for claim in claims]
    short = sum(highs) < moved
    vague = short or not (exact or all(claim.apart for claim in claims))
    if short:
        highs = [claim.most if claim.most is not None and claim.sure else moved for claim in claims]
    elif not words:
        highs = [moved if claim.most is None or not claim.read else claim.most for claim in claims]
    bounds = narrow(_from(seen, highs), moved)
    if len(claims) > 1 and mono and colour:
        bounds = tuple((0, high) for _, high in bounds)
    elif vague:
        banners = sum(claim.errand.banners for claim in claims)
        whole = len(said) == len(claims) and sum(said) <= moved <= sum(said) + banners
        least = said if whole else _within([claim.least for claim in claims], moved)
        bounds = _from(least, [high for _, high in bounds])
    sort = "mixed" if vague or (mono and colour) else "mono" if mono else "colour"
    shared = Shared(epoch, f"{name}/{sort}", moved - sum(low for low, high in bounds if low == high))
    rows = []
    for claim, (low, high) in zip(claims, bounds, strict=True):
        of_mono = min(low, mono)
        open_ = shared if low < high else None
        rows.append(claim.row(of_mono, low - of_mono, high, Evidence.COUNTER, open_))
    return tuple(rows)


def _within(lows: list[int], moved: int) -> list[int]:
    """Return what each has at least; nothing, where the counters contradict that."""
    return lows if sum(lows) <= moved else [0] * len(lows)


def _from(lows: list[int], highs: list[int]) -> tuple[tuple[int, int], ...]:
    return tuple((min(low, high), high) for low, high in zip(lows, highs, strict=True))


def settle_clicks(
    claims: tuple[Claim, ...], moved: Sides, a3_clicks: int, epoch: int, name: str
) -> tuple[AttemptKnown, ...]:
    """Settle claims by a movement in clicks, at a device that counts each side of A3 `a3_clicks` times.

    What is all of one size makes sides of the clicks; where that was not told, each side may have been several.
    """
    sizes = {claim.large if claim.sized else None for claim in claims}
    each = a3_clicks if sizes == {True} else 1
    if None in sizes or len(sizes) > 1 or moved.mono % each or moved.colour % each:
        rows = settle(claims, moved.mono, moved.colour, epoch, name)
        seen = {claim.attempt: claim.seen for claim in claims}
        return rows if a3_clicks == 1 else tuple(halved(row, seen[row.attempt]) for row in rows)
    rows = settle(claims, moved.mono // each, moved.colour // each, epoch, name)
    return rows if each == 1 else tuple(replace(row, clicks=each) for row in rows)


def believe(claims: tuple[Claim, ...], *, counted: bool = False) -> tuple[AttemptKnown, ...]:
    """Count claims that no counters can settle: as the document has it, or between what was seen and what is claimed.

    The device's own word that it completed a document whose sides were counted is taken. A record that does not say,
    and of which nobody claims anything, is not counted: its spooled job is. A spooler that claims no more than one side
    for each copy it sent, or fewer than were seen, may not have read the document (it claims one for whatever it passes
    on): that is no bound, and the row says so (UNTOLD).
    `counted`: the machine had counters when it printed, and may have counted blank backs.
    """
    rows = []
    for claim in claims:
        told = claim.errand.forecast
        if told is not None:
            high = told + claim.errand.banners
            if counted or not claim.recorded:
                high = claim.seen + UNREAD if claim.most is None else claim.most
            proof = Evidence.UNTOLD if claim.most is None else Evidence.FORECAST
            rows.append(claim.row(claim.least, 0, high, proof))
        elif not claim.recorded:
            most = claim.most or 0
            bound = claim.read and most > max(1, claim.seen)
            high = most if bound else max(most, claim.seen) + UNREAD
            rows.append(claim.row(claim.seen, 0, high, Evidence.CLAIMED if bound else Evidence.UNTOLD))
    return tuple(rows)
