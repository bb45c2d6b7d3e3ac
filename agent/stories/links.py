"""A link dies, and lives again: probe replies go through `rules.links` to the ledger and the live picture.

One straight line per link; what the rule wants looked at more closely goes back to the prober. If the prober itself
fails, the link is UNKNOWN and the failure passes on to whoever supervises this story. It never waits for the disk: a
fact is queued; the ledger's own fault shows elsewhere.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from agent.live import LiveLink
from agent.memory.ledger import Ledger, LedgerError
from agent.rules.links import LinkChanged, LinkMeasured, LinkRated, LinkWatch
from agent.rules.samples import LinkSample, Sampler
from drivers.contract import Clock, DriverError, LinkId, Moment
from drivers.probing import ProbeKind, Prober, ProbeReply


async def mind_link(
    link: LinkId,
    prober: Prober,
    watch: LinkWatch,
    ledger: Ledger,
    clock: Clock,
    show: Callable[[LiveLink], None],
    keep: Callable[[LinkSample], None] = lambda _: None,
) -> None:
    """Watch `link` until cancelled; `show` is called at every change and once a round, `keep` every five minutes.

    Raises DriverError.
    """
    sampler = Sampler(link)

    def write(fact: LinkChanged | LinkMeasured | LinkRated | None, at: Moment) -> None:
        if fact is not None:  # two changes may share a moment, never a moment and an outcome
            ledger.append(fact, at, f"{link}:{at.boot}:{at.mono_s:.6f}:{_what(fact)}")

    show(live(watch, sampler))
    try:
        async for sight in prober.replies():
            fact = watch.see(sight)
            write(fact, sight.at)
            write(watch.book(sight.at), sight.at)
            for ask in watch.asks():
                prober.ask(ask)
            sample = sampler.take(sight) if isinstance(sight, ProbeReply) else None
            if sample is not None:
                keep(sample)
            if fact is not None or (isinstance(sight, ProbeReply) and sight.kind is ProbeKind.ARP):
                show(live(watch, sampler))
    except DriverError:
        at = clock.now()
        write(watch.lost_prober(at), at)
        show(live(watch, sampler))
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
    for entry in ledger.entries(LinkChanged, LinkMeasured, LinkRated):
        if isinstance(entry.fact, LinkChanged | LinkMeasured | LinkRated) and entry.fact.link == watch.link:
            watch.restore(entry.fact, entry.at)
    if seen is not None:
        watch.seen(seen)
    return watch


def _what(fact: LinkChanged | LinkMeasured | LinkRated) -> str:
    if isinstance(fact, LinkChanged):
        return f"{fact.now}-{fact.cause}"
    return fact.health if isinstance(fact, LinkMeasured) else "rated"


def live(watch: LinkWatch, sampler: Sampler) -> LiveLink:
    """Return the live picture of one link."""
    minute = watch.minute()
    box, hop, far = watch.path
    return LiveLink(
        health=watch.health.value,
        cause=watch.cause.value,
        since=watch.since,
        rtt_s=minute.rtt_s,
        loss_share=minute.loss_share,
        sent=minute.sent,
        lost=minute.lost,
        late=minute.late,
        duplicate=minute.duplicate,
        alone=watch.mute_targets,
        box=box,
        hop=hop,
        far=far,
        evidence=watch.evidence,
        rtt_counts=tuple(sampler.counts),
        rtt_sum_s=sampler.sum_s,
    )
