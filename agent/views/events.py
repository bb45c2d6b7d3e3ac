"""Tells one fact in one sentence, for people: ids and the site's own labels, never a name.

A card that was accepted is told with its formula and not its member: a page must not show who is in (no presence).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import singledispatch

from agent.config import Site
from agent.rules.access import BoxRestarted
from agent.rules.alarms import AlarmRaised, AlarmState, AlarmTold
from agent.rules.attribution import Attributed, CopiesAttributed, PagesAttributed, PagesMoved
from agent.rules.door import DoorChanged, EntryDecided, EntryRule
from agent.rules.facts import Fact
from agent.rules.glass import CopiesCharged
from agent.rules.health import DriverChanged, ServiceAbsent, ServiceStarted
from agent.rules.leaf import DoorFaultChanged, EntryUnused
from agent.rules.linkfacts import CAUSES, Cause, Health, LinkChanged, LinkRated, OutageReported
from agent.rules.members import CALENDAR, PEOPLE, RosterChanged
from agent.rules.pages import AttemptCounted, AttemptKnown, AttemptOwned, PagesCounted
from agent.rules.paper import (
    BooksOpened,
    CopiesByHand,
    CopiesCounted,
    CopiesMetered,
    CopiesUnheard,
    CopyVisitEnded,
    CopyVisitStarted,
    PanelRead,
    PrintedPast,
    PrintsUnmatched,
)
from agent.rules.past import HOUSE, PastAttributed, PastCounted
from agent.rules.payers import PAYERS, ChargeRefused, JobCharged
from agent.rules.presence import VisitAdded, VisitCorrected, VisitEnded, VisitStarted
from agent.rules.readers import StrangersChanged
from agent.rules.release import JobExpired, JobForetold, JobGiven, JobLetOut, JobReleased, JobWithdrawn, ReleaseRefused
from agent.rules.remote import OpenedRemotely, WindowClosed, WindowOpened
from agent.rules.retention import Redacted
from agent.rules.settlement import PrintSettled, SidesSettled
from agent.rules.spool import SpoolGap, SpoolOpened, SpoolTampered
from agent.rules.tariff import StatementIssued
from agent.rules.unprinted import JobUnprinted
from agent.views.linkwords import mbit
from agent.views.words import Words
from drivers.contract import JobState


@dataclass(frozen=True, slots=True)
class Labels:
    """What people call the things of this site."""

    links: Mapping[str, str] = field(default_factory=dict)
    devices: Mapping[str, str] = field(default_factory=dict)
    formulas: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, site: Site) -> Labels:
        """Take the labels of the site file; a thing without one is called by its name."""
        return cls(
            {name: link.label or name for name, link in site.links.items()},
            {name: device.label or name for name, device in site.printers.items()},
            {name: formula.label for name, formula in site.formulas.items() if formula.label},
        )

    def device(self, device: str) -> str:
        """Return what people call a device."""
        return self.devices.get(device, device)

    def formula(self, formula: str, words: Words) -> str:
        """Return what people call a formula."""
        return self.formulas.get(formula) or words.either("formula", formula)


@singledispatch
def tell(fact: Fact, words: Words, labels: Labels) -> str:
    """Say what happened. A kind without a sentence of its own is named honestly."""
    del labels
    return words("event.other", code=fact.kind)


@tell.register
def _(fact: LinkChanged, words: Words, labels: Labels) -> str:
    name = labels.links.get(fact.link, fact.link)
    if fact.now in {Health.UP, Health.UNKNOWN} and fact.cause is not Cause.DOUBT:
        return words(f"event.link_{fact.now}", name=name)
    known = fact.cause in CAUSES[fact.now]
    odd = words("event.link_bad", name=name, cause=words(f"link.{fact.now}"))
    return words(f"incident.link-{fact.cause}.title", name=name) if known else odd


@tell.register
def _(fact: LinkRated, words: Words, labels: Labels) -> str:
    name, rate = labels.links.get(fact.link, fact.link), fact.down_bit_s
    if rate is None:
        return words("event.not_rated", name=name)
    return words("event.rated", name=name, rate=mbit(rate, words))


@tell.register
def _(fact: OutageReported, words: Words, labels: Labels) -> str:
    name = labels.links.get(fact.link, fact.link)
    return words("event.reported", name=name, reference=fact.reference or words("event.no_reference"))


@tell.register
def _(fact: BoxRestarted, words: Words, labels: Labels) -> str:
    return words("event.box_restarted", name=labels.links.get(fact.link, fact.link))


@tell.register
def _(fact: EntryDecided, words: Words, labels: Labels) -> str:
    if fact.granted and fact.rule == EntryRule.WAY_OUT:
        return words("event.entry_out")
    if fact.granted:
        return words("event.entry_granted", formula=labels.formula(fact.formula, words))
    rule = words.either("rule", fact.rule)
    key = "event.entry_refused" if fact.member else "event.entry_refused_nobody"
    return words(key, rule=rule, member=fact.member)


@tell.register
def _(fact: DoorChanged | EntryUnused, words: Words, labels: Labels) -> str:
    del labels
    if isinstance(fact, EntryUnused):
        return words("event.entry_unused")
    return words(f"event.door_{fact.now}")


@tell.register
def _(fact: DoorFaultChanged, words: Words, labels: Labels) -> str:
    del labels
    what = words.either("fault", fact.fault)
    return words("event.fault_began" if fact.present else "event.fault_ended", what=what)


@tell.register
def _(fact: StrangersChanged, words: Words, labels: Labels) -> str:
    del labels
    return words(f"event.strangers_{fact.pattern or 'over'}", reader=fact.reader, n=fact.cards)


@tell.register(JobLetOut)
@tell.register
def _(fact: JobReleased, words: Words, labels: Labels) -> str:
    key = "event.job_released_unknown" if fact.sides is None else "event.job_released"
    return words(key, member=fact.member, name=labels.device(fact.device), n=fact.sides or 0)


@tell.register
def _(fact: JobForetold, words: Words, labels: Labels) -> str:
    del labels
    return words("event.job_foretold", n=fact.sides)


@tell.register
def _(fact: JobGiven, words: Words, labels: Labels) -> str:
    del labels
    return words("event.job_given", member=fact.member) if fact.member else words("event.job_given_back")


@tell.register
def _(fact: JobCharged | CopiesCharged, words: Words, labels: Labels) -> str:
    del labels
    if isinstance(fact, CopiesCharged):
        return words("event.copies_charged", payer=fact.payer) if fact.payer else words("event.copies_uncharged")
    return words("event.job_charged", payer=fact.payer) if fact.payer else words("event.job_uncharged")


@tell.register
def _(fact: ChargeRefused, words: Words, labels: Labels) -> str:
    name = labels.device(fact.device)
    return words("event.charge_refused", name=name, payer=fact.payer, n=fact.jobs, member=fact.member)


@tell.register
def _(fact: JobExpired, words: Words, labels: Labels) -> str:
    del labels
    return words("event.job_expired", h=fact.held_h)


@tell.register
def _(fact: JobWithdrawn, words: Words, labels: Labels) -> str:
    del labels
    return words("event.job_withdrawn", member=fact.member)


@tell.register
def _(fact: JobUnprinted, words: Words, labels: Labels) -> str:
    key = "event.job_unprinted" if fact.member else "event.job_unprinted_nobodys"
    return words(key, name=labels.device(fact.device), member=fact.member, why=words(f"unprinted.{fact.why}"))


@tell.register
def _(fact: ReleaseRefused, words: Words, labels: Labels) -> str:
    why = refusal(words, labels.device(fact.device), fact.why)
    return words("event.release_refused", why=why, n=fact.jobs, member=fact.member)


def refusal(words: Words, name: str, why: str) -> str:
    """Say why a badge let nothing out (LiveGreeting.refused)."""
    key = f"incident.printer-{why}.title"
    return words(key, name=name) if key in words.sentences else words.either("refusal", why)


@tell.register(AttemptKnown)
@tell.register(AttemptOwned)
@tell.register(AttemptCounted)
@tell.register
def _(fact: PagesCounted, words: Words, labels: Labels) -> str:
    name, sides = labels.device(fact.device), fact.sides_mono + fact.sides_colour
    if fact.low < fact.high:
        return words("event.pages_uncertain", name=name, low=fact.low, high=fact.high)
    if not fact.member:
        return words("event.pages_unclaimed", name=name, n=sides)
    key = "event.pages" if fact.state == JobState.COMPLETED else "event.pages_stopped"
    return words(key, member=fact.member, name=name, n=sides)


@tell.register
def _(fact: BooksOpened, words: Words, labels: Labels) -> str:
    sides = fact.print_mono + fact.print_colour + fact.copy_mono + fact.copy_colour
    return words("event.books_opened", name=labels.device(fact.device), n=sides)


@tell.register
def _(fact: SpoolOpened, words: Words, labels: Labels) -> str:
    del labels
    return words("event.spool_first" if fact.why == "first" else "event.spool_opened")


@tell.register
def _(fact: SpoolGap, words: Words, labels: Labels) -> str:
    del labels
    if fact.moved is None:
        return words("event.spool_gap_unknown", first=fact.first, last=fact.last)
    return words("event.spool_gap", first=fact.first, last=fact.last, n=fact.moved)


@tell.register
def _(fact: SpoolTampered, words: Words, labels: Labels) -> str:
    del labels
    return words("event.spool_tampered", job=fact.job, code=fact.why)


@tell.register
def _(fact: CopyVisitStarted, words: Words, labels: Labels) -> str:
    return words("event.copy_in", member=fact.member, name=labels.device(fact.device))


@tell.register
def _(fact: CopyVisitEnded, words: Words, labels: Labels) -> str:
    return words("event.copy_out", name=labels.device(fact.device))


@tell.register(SidesSettled)
@tell.register
def _(fact: PrintSettled, words: Words, labels: Labels) -> str:
    key = "event.print_settled" if fact.low == fact.high else "event.print_narrowed"
    return words(key, name=labels.device(fact.device), n=fact.low, low=fact.low, high=fact.high)


@tell.register(CopiesByHand)
@tell.register(CopiesMetered)
@tell.register(CopiesUnheard)
@tell.register
def _(fact: CopiesCounted, words: Words, labels: Labels) -> str:
    unheard = "event.copies_unheard" if isinstance(fact, CopiesUnheard) else "event.copies_nobody"
    key = "event.copies" if fact.member else unheard
    return words(key, member=fact.member, name=labels.device(fact.device), n=fact.mono + fact.colour)


@tell.register
def _(fact: PanelRead, words: Words, labels: Labels) -> str:
    return words("event.panel_read", name=labels.device(fact.device), n=fact.mono + fact.colour)


@tell.register(PastCounted)
@tell.register(PrintedPast)
@tell.register
def _(fact: PrintsUnmatched, words: Words, labels: Labels) -> str:
    sides = fact.mono + fact.colour
    past = "event.printed_past" if sides else "event.no_print"
    key = past if isinstance(fact, PrintedPast) else "event.unmatched"
    return words(key, name=labels.device(fact.device), n=sides)


@tell.register
def _(fact: VisitStarted, words: Words, labels: Labels) -> str:
    del labels
    return words("event.visit_start", member=fact.member)


@tell.register
def _(fact: VisitEnded, words: Words, labels: Labels) -> str:
    del labels
    duration = words("event.duration", h=fact.minutes // 60, m=fact.minutes % 60)
    return words("event.visit_end", member=fact.member, duration=duration)


@tell.register
def _(fact: RosterChanged, words: Words, labels: Labels) -> str:
    if fact.action in CALENDAR:
        return words("event.calendar")
    action = fact.action if fact.action in {*PEOPLE, *PAYERS} else "other"
    formula = f" ({labels.formula(fact.formula, words)})" if fact.action == "member-added" and fact.formula else ""
    return words(f"event.roster.{action}", formula=formula)


@tell.register
def _(fact: ServiceStarted, words: Words, labels: Labels) -> str:
    del labels
    return words("event.service", name=words.either("service", fact.service))


@tell.register
def _(fact: ServiceAbsent, words: Words, labels: Labels) -> str:
    del labels
    minutes = -(-(fact.back - fact.gone) // timedelta(minutes=1))
    duration = words("event.duration", h=minutes // 60, m=minutes % 60)
    return words("event.absent", name=words.either("service", fact.service), duration=duration)


@tell.register
def _(fact: DriverChanged, words: Words, labels: Labels) -> str:
    kind, _, name = fact.driver.removeprefix("door.").partition(".")
    called = {"links": labels.links, "printers": labels.devices}.get(kind, {}).get(name) or name
    what = words.either("driver", kind)
    key = "event.driver_back" if fact.working else "event.driver_lost"
    return words(key, name=f"{what} ({called})" if called else what)


@tell.register
def _(fact: StatementIssued, words: Words, labels: Labels) -> str:
    del labels
    return words("event.statement", month=words.month(fact.month))


@tell.register
def _(fact: Redacted, words: Words, labels: Labels) -> str:
    del labels
    return words("event.redacted", n=fact.contents)


@tell.register
def _(fact: AlarmRaised, words: Words, labels: Labels) -> str:
    del labels
    return words("event.alarm_opened" if fact.state is AlarmState.OPENED else "event.alarm_over")


@tell.register
def _(fact: AlarmTold, words: Words, labels: Labels) -> str:
    del labels
    return words("event.alarm_sent" if fact.sent else "event.alarm_lost")


@tell.register
def _(fact: OpenedRemotely, words: Words, labels: Labels) -> str:
    del labels
    return words("event.remote", whom=words(f"whom.{fact.whom}"))


@tell.register
def _(fact: WindowOpened, words: Words, labels: Labels) -> str:
    del labels
    return words("event.window_fed" if fact.fed else "event.window_cards")


@tell.register
def _(fact: WindowClosed, words: Words, labels: Labels) -> str:
    del labels
    return words(f"event.window_{fact.why}")


@tell.register(CopiesAttributed)
@tell.register(PastAttributed)
@tell.register(PagesMoved)
@tell.register(PagesAttributed)
def _(fact: Attributed, words: Words, labels: Labels) -> str:
    sides = fact.mono + fact.colour if isinstance(fact, CopiesAttributed) else fact.sides_mono + fact.sides_colour
    key = "event.given_house" if fact.member == HOUSE else "event.given" if fact.member else "event.given_back"
    return words(key, member=fact.member, name=labels.device(fact.device), n=sides)


@tell.register(VisitAdded)
@tell.register(VisitCorrected)
def _(fact: VisitCorrected, words: Words, labels: Labels) -> str:
    del labels
    if fact.annulled:
        return words("event.visit_annulled", member=fact.member)
    duration = words("event.duration", h=fact.minutes // 60, m=fact.minutes % 60)
    key = "event.visit_added" if isinstance(fact, VisitAdded) else "event.visit_corrected"
    return words(key, member=fact.member, duration=duration)
