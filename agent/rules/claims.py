"""Settles attempts whose record is missing or does not say, by the device's counters or, without any, by the document.

The one idea: *a movement of the counters is the sum of its parts*. Each attempt is bounded by what it may be, and by
what the others leave of the movement; where that leaves one number it is certain, else its interval holds the truth and
`rules.review` waits for somebody to say. A device that tells only a total proves less, for some of a movement may be
copies: there only a whole that is claimed to the side is certain. Pure.
"""

from __future__ import annotations

from agent.rules.pages import AttemptKnown, Claim, Evidence, Shared
from drivers.contract import JobState


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
    a whole document that ended well. Nothing is then left of the movement for anybody else.
    `name` is the movement's own in the books of `epoch`, so that what is still open can be settled with its neighbours.
    """
    moved = mono + colour
    if mono < 0 or colour < 0 or moved == 0:
        return tuple(claim.row(0, 0, 0, Evidence.COUNTER) for claim in claims if claim.recorded)
    said = [claim.said for claim in claims if claim.said is not None]
    exact = len(said) == len(claims) and sum(said) == moved
    most = said if exact else [claim.most for claim in claims]
    bounds = tuple((0, moved if one is None else one) for one in most)
    short = sum(high for _, high in bounds) < moved
    vague = short or not (exact or all(claim.apart for claim in claims))
    if short:
        bounds = tuple((0, claim.most if claim.most is not None and claim.sure else moved) for claim in claims)
    bounds = narrow(bounds, moved)
    if vague or (len(claims) > 1 and mono and colour):
        bounds = tuple((0, high) for _, high in bounds)
    sort = "mixed" if vague or (mono and colour) else "mono" if mono else "colour"
    shared = Shared(epoch, f"{name}/{sort}", moved - sum(low for low, high in bounds if low == high))
    rows = []
    for claim, (low, high) in zip(claims, bounds, strict=True):
        of_mono = min(low, mono)
        open_ = shared if low < high else None
        rows.append(claim.row(of_mono, low - of_mono, high, Evidence.COUNTER, open_))
    return tuple(rows)


def believe(claims: tuple[Claim, ...]) -> tuple[AttemptKnown, ...]:
    """Count claims that no counters can settle: as the document has it, or between nothing and what is claimed.

    The device's own word that it completed a document whose sides were counted is taken. A record that does not say,
    and of which nobody claims anything, has no upper bound and is not counted: its spooled job is.
    """
    rows = []
    for claim in claims:
        told = claim.errand.forecast
        if told is not None:
            low = told if claim.recorded and claim.state == JobState.COMPLETED else 0
            rows.append(claim.row(low, 0, told + claim.errand.banners, Evidence.FORECAST))
        elif claim.most is not None:
            rows.append(claim.row(0, 0, claim.most, Evidence.CLAIMED))
    return tuple(rows)
