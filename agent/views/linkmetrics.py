"""The live metrics of the links: what their service's picture says, put into `views.metrics`' families."""

from __future__ import annotations

from agent.live import LiveLink
from agent.rules.linkfacts import WORKS, Cause, Health
from agent.rules.samples import BUCKETS_S
from agent.views.families import Families
from agent.views.state import SiteState


def probes(into: Families, link: str, seen: LiveLink) -> None:
    """Tell the counters of one link."""
    into.set("link_probes", seen.sent, link)
    into.set("link_probes_lost", seen.lost, link)
    into.set("link_probes_late", seen.late, link)
    into.set("link_probes_duplicate", seen.duplicate, link)
    if len(seen.rtt_counts) == len(BUCKETS_S) + 1:
        into.count("link_echo_seconds", BUCKETS_S, seen.rtt_counts, seen.rtt_sum_s, link)


def link_states(into: Families, state: SiteState) -> None:
    """Tell how each link is."""
    for link in state.links:
        if link.health is not Health.UNKNOWN:
            into.set("link_up", link.health in WORKS, link.name)
        into.enum("link_state", Health, link.health, link.name)
        into.enum("link_cause", Cause, link.cause, link.name)
        for target in link.alone:
            into.set("link_target_alone", 1, link.name, target)
        if link.since is not None:
            into.set("link_since_timestamp_seconds", link.since.timestamp(), link.name)
        if link.rtt_s is not None:
            into.set("link_rtt_seconds", link.rtt_s, link.name)
