"""A link dies, and lives again: probe replies go through `rules.links` to the ledger and the live picture.

One straight line per link. If the prober itself fails, the link is UNKNOWN and the failure passes on to whoever
supervises this story. It never waits for the disk: a fact is queued; the ledger's own fault shows elsewhere.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from agent.live import LiveLink
from agent.memory.ledger import Ledger, LedgerError
from agent.rules.links import LinkChanged, LinkMeasured, LinkWatch
from drivers.contract import Clock, DriverError, LinkId, Moment
from drivers.probing import ProbeKind, Prober, ProbeReply

JUDGED = {ProbeKind.ARP, ProbeKind.ECHO}  # what the rule knows of


async def mind_link(
    link: LinkId,
    prober: Prober,
    watch: LinkWatch,
    ledger: Ledger,
    clock: Clock,
    show: Callable[[LiveLink], None],
) -> None:
    """Watch `link` until cancelled; `show` is called at every change and once a round. Raises DriverError."""

    def write(fact: LinkChanged | LinkMeasured | None, at: Moment) -> None:
        if fact is not None:  # two changes may share a moment, never a moment and an outcome
            state = f"{fact.now}-{fact.cause}" if isinstance(fact, LinkChanged) else fact.health
            ledger.append(fact, at, f"{link}:{at.boot}:{at.mono_s:.6f}:{state}")

    show(live(watch))
    try:
        async for reply in prober.replies():
            if not isinstance(reply, ProbeReply) or reply.kind not in JUDGED or reply.size or not reply.outcome.fate:
                continue
            changed = watch.observe(reply)
            write(changed, reply.at)
            write(watch.book(reply.at), reply.at)
            if changed is not None or reply.kind is ProbeKind.ARP:
                show(live(watch))
    except DriverError:
        at = clock.now()
        write(watch.lost_prober(at), at)
        show(live(watch))
        raise
    finally:
        at = clock.now()
        with contextlib.suppress(LedgerError):  # closed or full: it says so itself, and we are leaving
            write(watch.book(at, closing=True), at)


def recall(watch: LinkWatch, ledger: Ledger, seen: Moment | None = None) -> LinkWatch:
    """Let a new watch go on from what the ledger holds of its link; once, before `mind_link`.

    `seen` is the moment of the last live picture that an earlier process left, if there is one: with it, a restart
    within seconds is no gap.
    """
    for entry in ledger.entries(LinkChanged, LinkMeasured):
        if isinstance(entry.fact, LinkChanged | LinkMeasured) and entry.fact.link == watch.link:
            watch.restore(entry.fact, entry.at)
    if seen is not None:
        watch.seen(seen)
    return watch


def live(watch: LinkWatch) -> LiveLink:
    """Return the live picture of one link."""
    minute = watch.minute()
    return LiveLink(
        health=watch.health.value,
        cause=watch.cause.value,
        since=watch.since,
        rtt_s=minute.rtt_s,
        loss_share=minute.loss_share,
        sent=minute.sent,
        lost=minute.lost,
    )
