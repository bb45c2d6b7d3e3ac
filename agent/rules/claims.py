"""Settles attempts whose record is missing or does not say, by the device's counters or, without any, by the document.

The one idea: *a movement of the counters is the sum of its parts*. Each attempt is bounded by what it may be, and by
what the others leave of the movement; where that leaves one number it is certain, else its interval holds the truth and
`rules.review` waits for somebody to say. A device that tells only a total proves less, for some of a movement may be
copies: there only a whole that is claimed to the side is certain. What a record told before it was lost did come out,
whatever else is not known. Pure.
"""

from __future__ import annotations

from dataclasses import replace

from agent.rules.columns import Sides, halved
from agent.rules.pages import AttemptKnown, Claim, Evidence, Shared

UNREAD = 500  # sides: more than anybody prints in one job at a place like ours, where nobody at all can say


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
    `name` is the movement's own in the books of `epoch`, so that what is still open can be settled with its neighbours.
    """
    moved = mono + colour
    if mono < 0 or colour < 0 or moved == 0:
        return tuple(claim.row(0, 0, 0, Evidence.COUNTER) for claim in claims if claim.recorded)
    said = [claim.said for claim in claims if claim.said is not None]
    exact = len(said) == len(claims) and sum(said) == moved
    most = said if exact else [claim.most for claim in claims]
    seen = _within([claim.seen for claim in claims], moved)
    highs = [moved if one is None else one for one in most]
    short = sum(highs) < moved
    vague = short or not (exact or all(claim.apart for claim in claims))
    if short:
        highs = [claim.most if claim.most is not None and claim.sure else moved for claim in claims]
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


def believe(claims: tuple[Claim, ...]) -> tuple[AttemptKnown, ...]:
    """Count claims that no counters can settle: as the document has it, or between what was seen and what is claimed.

    The device's own word that it completed a document whose sides were counted is taken. A record that does not say,
    and of which nobody claims anything, is not counted: its spooled job is. A spooler that claims a single side, or
    fewer than were seen, may not have read the document (it claims one for whatever it passes on): that is no bound.
    """
    rows = []
    for claim in claims:
        told = claim.errand.forecast
        if told is not None:
            high = told + claim.errand.banners
            if not claim.recorded:
                high = claim.seen + UNREAD if claim.most is None else claim.most
            rows.append(claim.row(claim.least, 0, high, Evidence.FORECAST))
        elif not claim.recorded:
            most = claim.most or 0
            high = most if most > max(1, claim.seen) else claim.seen + UNREAD
            rows.append(claim.row(claim.seen, 0, high, Evidence.CLAIMED))
    return tuple(rows)
