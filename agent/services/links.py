"""The links service: the only one with CAP_NET_RAW, and the only one that loads scapy (GPL-2.0-only)."""

from __future__ import annotations

from functools import partial

import drivers
from agent.config import InternetConfig, LinkConfig
from agent.live import read_pictures
from agent.memory.samples import NAME, SampleStore
from agent.rules.hours import WeeklyHours
from agent.rules.links import LinkPolicy, LinkWatch
from agent.services.standing import Standing
from agent.stories.links import mind_link, recall
from agent.stories.weeks import note_weeks
from drivers.contract import LinkId
from drivers.probing import Page, ProbePlan

SLOW_S = {"4g": 0.08, "5g": 0.06, "sat": 0.25}  # by so much a radio line is late on a good day
LOST_WAIT_S = 5.0  # a prober that fails is tried again this soon


def plan_of(link: LinkConfig, known: InternetConfig) -> ProbePlan:
    """Return what the site file says is to be asked of one link."""
    resolvers = tuple(filter(None, (link.resolver, known.resolver))) if known.name else ()
    return ProbePlan(
        gateway=link.gateway,
        targets=link.targets,
        interval_s=link.interval_s,
        sparing=bool(link.data_cap_gb),
        gateway_mac=link.gateway_mac,
        resolvers=resolvers,
        name=known.name,
        answers=known.answers,
        canary=_page(known.canary, known.canary_at, known.canary_says),
        rate=_page(known.rate, known.rate_at, ""),
        box_counters=link.box_counters,
    )


def policy_of(link: LinkConfig, known: InternetConfig) -> LinkPolicy:
    """Return how one link is judged."""
    return LinkPolicy(
        interval_s=link.interval_s,
        resolver=link.resolver,
        delay_s=SLOW_S.get(link.line, 0.03),
        down_bit_s=link.down_mbit_s * 1e6,
        up_bit_s=link.up_mbit_s * 1e6,
        rate_bytes_month=(known.rate_month_mib << 20) if known.rate and not link.data_cap_gb else 0,
    )


def _page(url: str, at: str, says: str) -> Page | None:
    host, _, path = url.removeprefix("http://").partition("/")
    return Page(at, host, f"/{path}", says) if url else None


async def wire(here: Standing) -> None:
    """Give each link of the site file its prober and its watch."""
    left = read_pictures(here.places.run).get(here.service)
    samples = here.stack.enter_context(SampleStore(here.places.state / NAME))
    of_file = WeeklyHours.parse(here.site.hours)
    here.keep(lambda: note_weeks(here.ledger, here.roster, here.clock, of_file))
    for name, config in here.site.links.items():
        link = LinkId(name)
        watch = LinkWatch(link, policy_of(config, here.site.internet), config.targets)
        recall(watch, here.ledger, left.at if left else None)
        plan = plan_of(config, here.site.internet)
        prober = drivers.open_prober(config.kind, lambda: here.building, here.clock, link, config.interface, plan)
        if here.tape:
            from agent.tape import TapedProber

            prober = TapedProber(prober, name, here.clock, here.tape)
        show = partial(here.show_link, name)
        here.mind(
            f"links.{name}",
            partial(mind_link, link, prober, watch, here.ledger, here.clock, show, samples.keep),
            LOST_WAIT_S,
        )
