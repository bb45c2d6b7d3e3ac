"""The links service: the only one with CAP_NET_RAW, and the only one that loads scapy (GPL-2.0-only)."""

from __future__ import annotations

from functools import partial

import drivers
from agent.config import InternetConfig, LinkConfig
from agent.live import read_pictures
from agent.rules.links import LinkPolicy, LinkWatch
from agent.services.standing import Standing
from agent.stories.links import mind_link, recall
from agent.tape import TapedProber
from drivers.contract import LinkId
from drivers.probing import Page, ProbePlan

LOST_WAIT_S = 5.0  # a prober that fails is tried again this soon


def plan_of(link: LinkConfig, known: InternetConfig) -> ProbePlan:
    """Return what the site file says is to be asked of one link."""
    resolvers = tuple(filter(None, (link.resolver, known.resolver))) if known.name else ()
    return ProbePlan(
        gateway=link.gateway,
        targets=link.targets,
        interval_s=link.interval_s,
        gateway_mac=link.gateway_mac,
        resolvers=resolvers,
        name=known.name,
        answers=known.answers,
        canary=_page(known.canary, known.canary_at, known.canary_says),
        rate=_page(known.rate, known.rate_at, ""),
    )


def _page(url: str, at: str, says: str) -> Page | None:
    host, _, path = url.removeprefix("http://").partition("/")
    return Page(at, host, f"/{path}", says) if url else None


async def wire(here: Standing) -> None:
    """Give each link of the site file its prober and its watch."""
    left = read_pictures(here.places.run).get(here.service)
    for name, config in here.site.links.items():
        link = LinkId(name)
        watch = LinkWatch(link, LinkPolicy(config.interval_s), config.targets)
        recall(watch, here.ledger, left.at if left else None)
        plan = plan_of(config, here.site.internet)
        prober = drivers.open_prober(config.kind, lambda: here.building, here.clock, link, config.interface, plan)
        if here.tape:
            prober = TapedProber(prober, name, here.clock, here.tape)
        show = partial(here.show_link, name)
        here.mind(f"links.{name}", partial(mind_link, link, prober, watch, here.ledger, here.clock, show), LOST_WAIT_S)
