"""`/metrics`: one Collector over stored facts and live pictures (Prometheus text format 0.0.4).

The one idea: a metric is a *view*. What counts (paper, hours, outages) is read from the ledger at each scrape, so no
restart resets it; what is live is read from the services' pictures, and what nobody measures any more has no number:
a stale link is neither up nor down, its state is `unknown`. No label ever holds a person: per-member series stand on
`/metrics/billing` alone, by opaque id, behind a bearer token. Nothing here writes. A source that fails sets
`gardien_scrape_error` for its part and leaves the rest of the scrape whole.

From the ledger (never reset):
  gardien_sides_total{device,kind,colour,formula}    sides; kind print|copy|unattributed, colour mono|colour
  gardien_paper_unattributed_sides_total{device}     the unattributed of these: counter = prints + copies + this
  gardien_sides_moved_here_total{device,kind,colour,formula}, gardien_sides_moved_away_total{...}
                                                     sides attributed by hand, a signed pair: what is whose by now is
                                                     gardien_sides_total + moved_here - moved_away; none of them falls
  gardien_paper_unattributed_sides_now{device}       unattributed by now (a gauge: attributing lowers it)
  gardien_paper_unclaimed_sides{device}              printed under a name that is nobody's, by now (a gauge)
  gardien_spool_gap_jobs_total{paper}                jobs the spooler forgot; paper yes: and something came out
  gardien_spool_tampered_total{why}                  signs of tampering: log-line|uuid|purged
  gardien_printed_past_sides_total{device}           of the unattributed: printed straight to the device, past the box
  gardien_releases_refused_total{device,why}         badges that let nothing out; why: rules.reasons, silent, spooler
  gardien_jobs_expired_total                         held jobs let go because nobody came for them
  gardien_jobs_unprinted_total{device,why}           jobs that nothing came out of
  gardien_jobs_withdrawn_total                       held jobs that their members took back
  gardien_visit_corrected_seconds_total{formula,sign} visits corrected by hand: sign added|removed
  gardien_visit_seconds_total{formula}               ended visits; `alerts.yml` records gardien_visit_minutes_total
  gardien_link_down_seconds_total{link,cause}        measured time down, by cause (cable|box|internet|...)
  gardien_link_up_seconds_total{link}                measured time up (these are booked at changes and hourly)
  gardien_link_degraded_seconds_total{link,cause}    measured time lossy, slow, flapping (loss|delay|flapping|hole)
  gardien_link_saturated_seconds_total{link,cause}   measured time full of our own traffic (upload|download)
  gardien_link_portal_seconds_total{link,cause}, gardien_link_dns_broken_seconds_total{link,cause}
                                                     measured time that pings worked and people could not
  gardien_link_unknown_seconds_total{link}           time the links service ran and could not tell
  gardien_link_outages_total{link,cause}             outages (down, portal, DNS), by the cause they began with
  gardien_ledger_facts, gardien_ledger_seq           facts in the ledger; number of the last one
From the live pictures:
  gardien_link_up{link}                              1 while members get through, else 0; absent while nobody knows:
                                                     its mean over time is the availability, gaps excluded
  gardien_link_state{link,state}                     1 for the present one of up|degraded|saturated|portal|dns_broken|
                                                     down|unknown
  gardien_link_cause{link,cause}                     1 for the present one of `rules.linkfacts.Cause`
  gardien_link_since_timestamp_seconds{link}         when the present state began
  gardien_link_rtt_seconds{link}                     median round trip of the last minute
  gardien_link_probes_total{link}                    probes since the links service started (resets with it)
  gardien_link_probes_lost_total{link}               those of them that were lost
  gardien_link_probes_late_total{link}               those of the lost that were answered after their deadline
  gardien_link_probes_duplicate_total{link}          answers to probes already answered
  gardien_link_echo_seconds{link,le}                 histogram of the far echoes' round trips (resets with the service)
  gardien_link_target_alone{link,target}             1 for a target that alone disagrees, and has no vote
  gardien_printer_state{device,state}                1 for the present one of idle|processing|stopped|unknown|lost|off
  gardien_printer_reason{device,reason}              1 for each printer-state-reason (RFC 8011 section 5.4.12)
  gardien_printer_reason_since_timestamp_seconds{device,reason}  since when each of these stands
  gardien_printer_jobs_waiting{device}, gardien_printer_jobs_stuck{device}: the spooler's, and those without a side for
                                                     ten minutes; gardien_printer_queue_depth{device}: the device's own
  gardien_printer_meters_silent{device}              1 while its SNMP meters do not answer
  gardien_printer_copy_control_lost{device}          1 while its copy-control connector does not work
  gardien_tray_level_ratio{device,tray}              0..1; absent if the device cannot say
  gardien_printer_life_sides{device}                 sides on the device's own display (a swap or reset may lower it)
  gardien_supply_level_ratio{device,supply,colour}   0..1; absent if the device cannot say
  gardien_spool_drift{drift}                         1 for each setting of CUPS that is not as it must be
  gardien_door_leaf{state}                           1 for the present one of closed|open|held|propped|forced|unknown
  gardien_door_fault{fault}                          1 while a fault of wiring or lock is present (rules.leaf.DoorFault)
  gardien_door_inputs_deaf                           1 while edges are not heard and levels are only polled
  gardien_door_strangers{reader}                     1 while unknown cards are tried in a row
  gardien_door_left_open                             1 while the door is open and nobody is counted in (hostless sites)
  gardien_people_left                                people still counted in after hours (hostless sites)
  gardien_door_lockdown_timestamp_seconds            since when nobody enters; absent while no lockdown stands
  gardien_door_last_list_timestamp_seconds           when the list was kept that the door judges by, while the roster
                                                     cannot be read; absent otherwise
  gardien_reader_malformed_bytes_total{reader}       bytes that were no card; begins again with the service
  gardien_latch_released                             1 while the relay line is active; at rest says nothing of the bolt
  gardien_driver_working{service,driver}             1 or 0
  gardien_service_up{service}                        1 while its picture is younger than 10 s
  gardien_service_picture_timestamp_seconds{service} when it last wrote its picture
  gardien_ledger_fault{service}                      1 while that service cannot write (web: or read) the ledger
Of this machine:
  gardien_certificate_not_after_timestamp_seconds    when the certificate of the pages ends; absent on plain HTTP
  gardien_clock_synchronised                         1 while the kernel's time is disciplined
  gardien_members{formula}                           members in the roster today
  gardien_scrape_error{part}                         1 if that part could not be read: ledger|live|roster
  gardien_build_info{version,site}                   1
On /metrics/billing:
  gardien_member_sides_total{member,kind,colour}     sides by opaque account id
  gardien_member_visit_seconds_total{member}         ended visits by opaque account id
  gardien_member_sides_moved_here_total{member,kind,colour}, gardien_member_sides_moved_away_total{...}
  gardien_member_visit_corrected_seconds_total{member,sign}
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from agent.config import Site
from agent.live import read_pictures
from agent.memory.ledger import Ledger
from agent.memory.roster import RosterStore
from agent.rules.spoolset import Drift
from agent.views.devicehealth import HEALTH, REASON_LENGTH, REASONS_KEPT, health_of
from agent.views.doormetrics import DOOR, door_states, left_behind
from agent.views.families import Families
from agent.views.journal import Today
from agent.views.linkmetrics import link_states, probes
from agent.views.spoolmetrics import SPOOLED, spooled
from agent.views.state import SiteState, state_of
from agent.views.writtendown import WrittenDown
from drivers.contract import Clock, DeviceState, Trust

BILLING = "gardien billing"
CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
DEVICE_STATES = (*(str(state) for state in DeviceState), "unknown", "lost", "off")
BY_CAUSE = ("down", "degraded", "saturated", "portal", "dns_broken")  # states of a link that have causes

PLAIN_SUMS: Mapping[str, tuple[str, ...]] = {  # sums of the ledger that are told as they stand, and their labels
    **dict.fromkeys((*(f"link_{state}_seconds" for state in BY_CAUSE), "link_outages"), ("link", "cause")),
    **dict.fromkeys(("link_up_seconds", "link_unknown_seconds"), ("link",)),
}

log = logging.getLogger(__name__)

Totals = Mapping[tuple[str, tuple[tuple[str, str], ...]], int | float]


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the numbers come from."""

    site: Site
    run: Path
    ledger: Ledger
    roster: RosterStore
    clock: Clock
    version: str


def _public() -> Families:
    new = Families()
    new.counter("sides", "Sides on paper, from the ledger.", "device", "kind", "colour", "formula")
    new.counter("paper_unattributed_sides", "Sides the counter shows and nobody is known for.", "device")
    for way in ("here", "away"):
        text = "Sides attributed by hand; a signed pair."
        new.counter(f"sides_moved_{way}", text, "device", "kind", "colour", "formula")
    new.gauge("paper_unattributed_sides_now", "Sides the counter shows and nobody is known for, by now.", "device")
    new.gauge("paper_unclaimed_sides", "Sides printed under a name that is nobody's, by now.", "device")
    for name, text, *labels in SPOOLED:
        new.counter(name, text, *labels)
    new.counter("visit_corrected_seconds", "Visits corrected by hand.", "formula", "sign")
    new.counter(
        "visit_seconds", "Length of ended visits (gardien_visit_minutes_total: rules, or this / 60).", "formula"
    )
    new.counter("link_up_seconds", "Measured time up.", "link")
    new.counter("link_unknown_seconds", "Time nobody measured.", "link")
    for state in BY_CAUSE:
        new.counter(f"link_{state}_seconds", f"Measured time {state}, by cause.", "link", "cause")
    new.counter("link_outages", "Outages, by the cause they began with.", "link", "cause")
    new.gauge("ledger_facts", "Facts in the ledger.")
    new.gauge("ledger_seq", "Number of the last fact in the ledger.")
    new.gauge("ledger_fault", "1 while that service cannot use the ledger.", "service")
    new.gauge("link_up", "1 up, 0 down; absent while unknown.", "link")
    new.gauge("link_state", "1 for the present state.", "link", "state")
    new.gauge("link_cause", "1 for the present cause.", "link", "cause")
    new.gauge("link_since_timestamp_seconds", "When the present state began.", "link")
    new.gauge("link_rtt_seconds", "Median round trip of the last minute.", "link")
    new.counter("link_probes", "Probes since the links service started.", "link")
    new.counter("link_probes_lost", "Probes lost since the links service started.", "link")
    new.counter("link_probes_late", "Probes answered after their deadline.", "link")
    new.counter("link_probes_duplicate", "Answers to probes already answered.", "link")
    new.histogram("link_echo_seconds", "Round trips of the far echoes since the links service started.", "link")
    new.gauge("link_target_alone", "1 for a target that alone disagrees with the others.", "link", "target")
    new.gauge("printer_state", "1 for the present state.", "device", "state")
    new.gauge("printer_reason", "1 for each present printer-state-reason.", "device", "reason")
    for name, text, *labels in HEALTH:
        new.gauge(name, text, "device", *labels)
    new.gauge("printer_life_sides", "Sides on the display of the device.", "device")
    new.gauge("supply_level_ratio", "Level of a supply, 0 to 1.", "device", "supply", "colour")
    new.gauge("spool_drift", "1 for each setting of the print spooler that has drifted.", "drift")
    for name, text, *labels in DOOR:
        new.gauge(name, text, *labels)
    new.counter("reader_malformed_bytes", "Bytes that were no card, since the door service started.", "reader")
    new.gauge("driver_working", "1 while the driver works.", "service", "driver")
    new.gauge("service_up", "1 while the service writes its picture.", "service")
    new.gauge("service_picture_timestamp_seconds", "When the service last wrote its picture.", "service")
    new.gauge("certificate_not_after_timestamp_seconds", "When the certificate of the pages ends.")
    new.gauge("clock_synchronised", "1 while the kernel's time is disciplined.")
    new.gauge("members", "Members with rights today.", "formula")
    new.gauge("scrape_error", "1 if this part could not be read.", "part")
    new.gauge("build_info", "1; the version and the site are labels.", "version", "site")
    return new


def _per_member() -> Families:
    new = Families()
    new.counter("member_sides", "Sides by opaque account id.", "member", "kind", "colour")
    new.counter("member_visit_seconds", "Length of ended visits by opaque account id.", "member")
    for way in ("here", "away"):
        new.counter(f"member_sides_moved_{way}", "Sides attributed by hand.", "member", "kind", "colour")
    new.counter("member_visit_corrected_seconds", "Visits corrected by hand.", "member", "sign")
    new.gauge("scrape_error", "1 if this part could not be read.", "part")
    return new


class _Books(Collector):
    """Collects one registry's families. Each part may fail by itself."""

    def __init__(self, declare: Callable[[], Families], parts: Mapping[str, Callable[[Families], None]]) -> None:
        self._declare = declare
        self._parts = parts
        self._failing: set[str] = set()  # told once, until it is read again

    def describe(self) -> Iterator[Metric]:
        yield from self._declare().made.values()

    def collect(self) -> Iterator[Metric]:
        whole = self._declare()
        for name, part in self._parts.items():
            families, failed = self._declare(), False
            try:
                part(families)
            except Exception:  # whatever fails: the other parts must still be seen, and this one told
                level = logging.DEBUG if name in self._failing else logging.WARNING
                log.log(level, "the metrics part %r could not be read", name, exc_info=True)
                self._failing.add(name)
                failed = True
            else:
                self._failing.discard(name)
                for key, family in families.made.items():
                    whole.made[key].samples += family.samples
            whole.set("scrape_error", failed, name)
        yield from whole.made.values()


class Exposition:
    """Writes both pages of metrics. One event loop; each scrape reads anew."""

    def __init__(self, site: Site, run: Path, ledger: Ledger, roster: RosterStore, clock: Clock, version: str) -> None:
        self._from = Sources(site, run, ledger, roster, clock, version)
        self._written = WrittenDown(site, ledger, roster, clock)
        parts = {"ledger": self._ledger, "live": self._live, "roster": self._roster}
        self._plain = CollectorRegistry(auto_describe=False)
        self._plain.register(_Books(_public, parts))
        self._billing = CollectorRegistry(auto_describe=False)
        self._billing.register(_Books(_per_member, {"ledger": self._members}))

    def plain(self) -> bytes:
        """Return the body of `/metrics`."""
        return generate_latest(self._plain)

    def billing(self) -> bytes:
        """Return the body of `/metrics/billing`."""
        return generate_latest(self._billing)

    def _ledger(self, into: Families) -> None:
        totals = self._from.ledger.totals()
        unattributed: Counter[str] = Counter(dict.fromkeys(self._from.site.printers, 0))
        for labels, amount in _rows(totals, "sides"):
            into.set("sides", amount, *(labels.get(key, "") for key in ("device", "kind", "colour", "formula")))
            if labels.get("kind") == "unattributed":
                unattributed[labels.get("device", "")] += int(amount)
        for device, sides in unattributed.items():
            into.set("paper_unattributed_sides", sides, device)
        self._moved(totals, into)
        for labels, minutes in _rows(totals, "visit_minutes"):
            into.set("visit_seconds", minutes * 60, labels.get("formula", ""))
        for name, keys in PLAIN_SUMS.items():
            for labels, amount in _rows(totals, name):
                into.set(name, amount, *(labels.get(key, "") for key in keys))
        for name, amount, *values in spooled(self._from.site, totals):
            into.set(name, amount, *values)
        head = self._from.ledger.head()
        into.set("ledger_facts", head.seq)
        into.set("ledger_seq", head.seq)

    def _moved(self, totals: Totals, into: Families) -> None:
        """Tell what was put right by hand, and what is still nobody's."""
        keys = ("device", "kind", "colour", "formula")
        nobody = {name: dict.fromkeys(self._from.site.printers, 0) for name in ("unattributed", "unclaimed")}
        for name, sign in (("sides", 1), ("sides_moved_here", 1), ("sides_moved_away", -1)):
            for labels, amount in _rows(totals, name):
                if name != "sides":
                    into.set(name, amount, *(labels.get(key, "") for key in keys))
                whose = "unattributed" if labels.get("kind") == "unattributed" else labels.get("formula", "")
                if whose in nobody:
                    device = labels.get("device", "")
                    nobody[whose][device] = nobody[whose].get(device, 0) + sign * int(amount)
        for whose, family in (("unattributed", "paper_unattributed_sides_now"), ("unclaimed", "paper_unclaimed_sides")):
            for device, sides in nobody[whose].items():
                into.set(family, sides, device)
        for sign_word in ("added", "removed"):
            for labels, minutes in _rows(totals, f"visit_minutes_{sign_word}"):
                into.set("visit_corrected_seconds", minutes * 60, labels.get("formula", ""), sign_word)

    def _members(self, into: Families) -> None:
        totals = self._from.ledger.totals()
        for way in ("here", "away"):
            for labels, sides in _rows(totals, f"member_sides_moved_{way}"):
                whose = (labels.get(key, "") for key in ("member", "kind", "colour"))
                into.set(f"member_sides_moved_{way}", sides, *whose)
        for sign in ("added", "removed"):
            for labels, minutes in _rows(totals, f"member_visit_minutes_{sign}"):
                into.set("member_visit_corrected_seconds", minutes * 60, labels.get("member", ""), sign)
        for labels, sides in _rows(totals, "member_sides"):
            into.set("member_sides", sides, *(labels.get(key, "") for key in ("member", "kind", "colour")))
        for labels, minutes in _rows(totals, "member_visit_minutes"):
            into.set("member_visit_seconds", minutes * 60, labels.get("member", ""))

    def _roster(self, into: Families) -> None:
        today = self._from.clock.now().utc.date()
        counts: Counter[str] = Counter(dict.fromkeys(self._from.site.formulas, 0))
        for member in self._from.roster.roster().members.values():
            if member.since <= today and (member.until is None or today <= member.until):
                counts[member.formula] += 1
        for formula, count in counts.items():
            into.set("members", count, formula)

    def _live(self, into: Families) -> None:
        source = self._from
        now = source.clock.now()
        pictures = read_pictures(source.run)
        today, written = Today(fault=source.ledger.fault), self._written.read(now)
        state = state_of(source.site, pictures, today, now, asking="web", written=written)
        into.set("clock_synchronised", now.trust is Trust.SYNCHRONISED)
        into.set("build_info", 1, source.version, source.site.site.code)
        faults = {name: not picture.ledger_ok for name, picture in pictures.items()}
        faults["web"] = bool(source.ledger.fault)
        for service in state.services:
            into.set("service_up", service.up, service.name)
            if service.at is not None:
                into.set("service_picture_timestamp_seconds", service.at.timestamp(), service.name)
            if service.up:
                into.set("ledger_fault", faults.get(service.name, False), service.name)
            picture = pictures.get(service.name)
            if picture is not None and service.up:
                for driver, live in picture.drivers.items():
                    into.set("driver_working", live.working, service.name, driver)
        web = pictures.get("web")
        if web is not None and web.certificate_until is not None:
            into.set("certificate_not_after_timestamp_seconds", web.certificate_until.timestamp())
        watched = pictures.get("links")
        for line in state.links:
            seen = None if watched is None else watched.links.get(line.name)
            if seen is not None:
                probes(into, line.name, seen)
        link_states(into, state)
        _devices(into, state)
        _spool(into, state)
        door_states(into, state.door, pictures["door"].door if "door" in pictures else None)
        if source.site.site.hostless:
            left_behind(into, state.incidents)


def _spool(into: Families, state: SiteState) -> None:
    present = {incident.key for incident in state.incidents}
    for drift in Drift:
        into.set("spool_drift", f"spool-{drift}" in present, drift)


def _devices(into: Families, state: SiteState) -> None:
    for device in state.devices:
        into.enum("printer_state", DEVICE_STATES, device.state, device.name)
        for reason in sorted(set(device.reasons))[:REASONS_KEPT]:
            into.set("printer_reason", 1, device.name, reason[:REASON_LENGTH])
        for name, value, *more in health_of(device):
            into.set(name, value, device.name, *more)
        if device.counter is not None:
            into.set("printer_life_sides", device.counter, device.name)
        shown: set[tuple[str, str]] = set()
        for supply in device.supplies:
            labels = (supply.name[:REASON_LENGTH], supply.colour[:REASON_LENGTH])
            if supply.level_share is not None and labels not in shown:
                shown.add(labels)
                into.set("supply_level_ratio", supply.level_share, device.name, *labels)


def _rows(totals: Totals, name: str) -> Iterator[tuple[dict[str, str], int | float]]:
    for (key, pairs), amount in totals.items():
        if key == name:
            yield dict(pairs), amount
