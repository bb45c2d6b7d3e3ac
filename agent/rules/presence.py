"""When a visit starts and ends, and how long it was.

The one idea: only somebody's word starts or ends a visit, the animator's first of all, and it may be said late
("arrivée à 09:05"). A member has at most one open visit, visits of one member never overlap, and nothing lies in the
future. A forgotten visit is listed and waits for a human: it is never ended silently, least of all at midnight.

Durations are differences of UTC instants, so the two nights when the wall clock jumps count their real minutes.
Refusals are values with one sentence for the animator. Pure: it reads no clock.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import ClassVar

from agent.rules.facts import TIMED_DAYS, Fact, FormulaId, MemberId, Total, total
from agent.rules.hours import wall_times, zone_of


class VisitEvidence(StrEnum):
    """Who said that the visit began or ended."""

    ANIMATOR = "animator"
    BADGE = "badge"
    CLOSING = "closing"  # nobody said: closing time was proposed, and somebody took it
    LAST_SEEN = "last-seen"  # nobody said: when they were last seen was proposed, and somebody took it


PROPOSED = frozenset({VisitEvidence.CLOSING, VisitEvidence.LAST_SEEN})


@dataclass(frozen=True, slots=True)
class VisitStarted(Fact):
    """A member's visit began."""

    kind: ClassVar[str] = "visit-started"
    kept_for_days: ClassVar[int | None] = TIMED_DAYS

    visit: str
    member: MemberId
    formula: FormulaId
    started: datetime  # as said by `by`: the animator may write down a past arrival
    by: VisitEvidence


@dataclass(frozen=True, slots=True)
class VisitEnded(Fact):
    """A visit ended. It stands alone: a billed visit cites no passage that will be redacted."""

    kind: ClassVar[str] = "visit-ended"
    kept_for_days: ClassVar[int | None] = TIMED_DAYS

    visit: str
    member: MemberId
    formula: FormulaId
    started: datetime
    ended: datetime
    minutes: int  # elapsed, DST-proof, rounded down to whole minutes
    by: VisitEvidence

    def totals(self) -> tuple[Total, ...]:
        """Minutes by formula, and per member for billing."""
        return (
            total("visit_minutes", self.minutes, formula=self.formula),
            total("member_visit_minutes", self.minutes, member=self.member),
        )


class Reason(StrEnum):
    """Why a visit is corrected. The words stand in the ledger: add, never rename."""

    FORGOT_ARRIVAL = "forgot-arrival"
    FORGOT_DEPARTURE = "forgot-departure"
    WRONG_PERSON = "wrong-person"
    MISTAKE = "mistake"  # a tap too many
    DISPUTED = "disputed"  # the member said otherwise, and was believed
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class VisitCorrected(Fact):
    """A visit was said to have been otherwise, or not at all."""

    kind: ClassVar[str] = "visit-corrected"
    kept_for_days: ClassVar[int | None] = TIMED_DAYS

    visit: str
    turn: int
    member: MemberId
    formula: FormulaId
    started: datetime
    ended: datetime
    minutes: int  # 0 if annulled
    was_minutes: int  # what counted before
    annulled: bool
    reason: Reason
    actor: str

    def as_ended(self) -> VisitEnded:
        """Return the visit as if it had been written down so from the start."""
        who, when = (self.visit, self.member, self.formula), (self.started, self.ended, self.minutes)
        return VisitEnded(*who, *when, VisitEvidence.ANIMATOR)

    def totals(self) -> tuple[Total, ...]:
        """Minutes added or taken away, by formula and per member: a signed pair."""
        more = self.minutes - self.was_minutes
        name = "added" if more > 0 else "removed"
        return (
            total(f"visit_minutes_{name}", abs(more), formula=self.formula),
            total(f"member_visit_minutes_{name}", abs(more), member=self.member),
        )


@dataclass(frozen=True, slots=True)
class VisitAdded(VisitCorrected):
    """A visit nobody had written down was said to have been: its first turn, where nothing counted before."""

    kind: ClassVar[str] = "visit-added"


# --- the judgement -----------------------------------------------------------------------------------------

LOOK_BACK = timedelta(hours=12)  # "23:50" said after midnight means yesterday; "19:05" said at 09:00 is a slip
LONGEST = timedelta(hours=24)  # longer is a forgotten end, or a clock that jumped: somebody must say when it ended
FORGOTTEN = timedelta(hours=12)  # an open visit older than this is asked about


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a visit was not written down: one sentence, in French, for the animator, and its code for pages."""

    says: str
    code: str = field(
        default="", compare=False
    )  # "here", "future", "then", "away", "before", "long", "not-a-time", "not-a-day", "skipped"


@dataclass(frozen=True, slots=True)
class Presence:
    """Who is here, folded from the visits' facts. An immutable value: `after` gives the next one."""

    open: Mapping[MemberId, VisitStarted] = field(default_factory=dict)
    left: Mapping[MemberId, VisitEnded] = field(default_factory=dict)  # each member's latest visit

    @classmethod
    def of(cls, facts: Iterable[Fact]) -> Presence:
        """Fold visits in the order they were written down; other facts are passed over."""
        presence = cls()
        for fact in facts:
            presence = presence.after(fact)
        return presence

    def after(self, fact: Fact) -> Presence:
        """Return the presence after one more fact."""
        if isinstance(fact, VisitStarted):
            return Presence({**self.open, fact.member: fact}, self.left)
        if isinstance(fact, VisitCorrected):
            return self._corrected(fact)
        if not isinstance(fact, VisitEnded):
            return self
        latest = max(fact, self.left.get(fact.member, fact), key=lambda visit: visit.ended)
        still = {who: visit for who, visit in self.open.items() if visit.visit != fact.visit}
        return Presence(still, {**self.left, fact.member: latest})

    def _corrected(self, fact: VisitCorrected) -> Presence:
        """Return the presence after a correction: an open visit ends by it; the latest one changes its end."""
        still = {who: visit for who, visit in self.open.items() if visit.visit != fact.visit}
        left = {who: visit for who, visit in self.left.items() if visit.visit != fact.visit}
        if fact.annulled:
            return Presence(still, left)
        return Presence(still, left).after(fact.as_ended())

    def start(
        self, member: MemberId, formula: FormulaId, started: datetime, now: datetime, by: VisitEvidence
    ) -> VisitStarted | Refused:
        """Start a visit. `started` and `now` are aware; the sentences speak in the zone of `now`."""
        utc = _second(started)
        here, left = self.open.get(member), self.left.get(member)
        if here is not None:
            return Refused(f"{member} est déjà là depuis {_said(here.started, now)}.", "here")
        if utc > now.astimezone(UTC):
            return Refused(f"Une arrivée à {_said(utc, now)} serait dans le futur.", "future")
        if left is not None and (utc < left.ended or utc == left.started):
            return Refused(
                f"{member} était déjà là à {_said(utc, now)} : une visite va jusqu'à {_said(left.ended, now)}.",
                "then",
            )
        return VisitStarted(f"{member}-{utc:%Y%m%dT%H%M%SZ}", member, formula, utc, by)

    def end(self, member: MemberId, ended: datetime, now: datetime, by: VisitEvidence) -> VisitEnded | Refused:
        """End the member's open visit; minutes are the whole minutes elapsed."""
        utc = _second(ended)
        visit = self.open.get(member)
        if visit is None:
            return Refused(f"{member} n'a pas de visite en cours.", "away")
        if utc > now.astimezone(UTC):
            return Refused(f"Un départ à {_said(utc, now)} serait dans le futur.", "future")
        if utc < visit.started:
            return Refused(
                f"Un départ à {_said(utc, now)} serait avant l'arrivée, à {_said(visit.started, now)}.", "before"
            )
        if utc - visit.started > LONGEST:
            example = f"{visit.started.astimezone(now.tzinfo):%Y-%m-%d} 18:00"
            since = _said(visit.started, now)
            return Refused(f"{member} est là depuis {since} : dites quand c'était fini, par exemple {example}.", "long")
        minutes = (utc - visit.started) // timedelta(minutes=1)
        return VisitEnded(visit.visit, member, visit.formula, visit.started, utc, minutes, by)

    def forgotten(self, now: datetime) -> tuple[VisitStarted, ...]:
        """Return the open visits nobody ended, longest first: somebody must say when they ended."""
        late = [visit for visit in self.open.values() if now.astimezone(UTC) - visit.started > FORGOTTEN]
        return tuple(sorted(late, key=lambda visit: (visit.started, visit.member)))


_STATED = re.compile(r"(?:(\d{4})-(\d\d)-(\d\d)[T ])?([01]?\d|2[0-3])[:hH]([0-5]\d)")
AGAIN = " *"  # behind a dated time: the second of the two that October's wall clock shows


def stated(text: str, now: datetime) -> datetime | Refused:
    """Read a time somebody said: "09:05", "9h05", or with its day "2026-11-20 18:00"; return the instant in UTC.

    `now` is aware, on the site's wall clock. Without a day it is the latest such time past, at most `LOOK_BACK` ago
    if that was yesterday. In the repeated hour of October an undated time is the latest one past, a dated one the
    first, or with `written`'s mark the second. A time the clocks skip is refused.
    """
    found = _STATED.fullmatch(text.removesuffix(AGAIN).strip())
    if found is None:
        return Refused(
            f"« {text} » n'est pas une heure ; écrivez 09:05, ou 2026-11-20 18:00 pour un autre jour.", "not-a-time"
        )
    year, month, day, hour, minute = (int(part) if part else 0 for part in found.groups())
    try:
        on = date(year, month, day) if year else now.date()
    except ValueError:
        return Refused(f"« {text} » n'est pas un jour du calendrier.", "not-a-day")
    zone = zone_of(now)
    times = wall_times(on, hour, minute, zone)
    if not times:
        return Refused(f"« {text} » n'existe pas ce jour-là : les horloges ont sauté cette heure.", "skipped")
    if year:
        return times[-1 if text.endswith(AGAIN) else 0]
    utc = now.astimezone(UTC)
    yesterday = [at for at in wall_times(on - timedelta(days=1), hour, minute, zone) if utc - at <= LOOK_BACK]
    past = yesterday + [at for at in times if at <= utc]
    return past[-1] if past else times[0]


def stated_span(day: str, start: str, end: str, now: datetime) -> tuple[datetime, datetime] | Refused:
    """Read a visit of one day as somebody says it: "2026-11-20", "09:05", "11:15"; as `stated` reads each.

    In October's repeated hour the arrival is the first such time, the departure the first that is not before it.
    """
    try:
        on = date.fromisoformat(day)
    except ValueError:
        return Refused(f"« {day} » n'est pas un jour du calendrier.", "not-a-day")
    came, left, again = (stated(f"{on} {said}", now) for said in (start, end, f"{end}{AGAIN}"))
    if isinstance(came, Refused):
        return came
    if isinstance(left, Refused):
        return left
    return came, again if left < came and isinstance(again, datetime) else left


def written(at: datetime, zone: tzinfo) -> str:
    """Write an instant to the minute as `stated` reads it, also in the hour that October repeats."""
    local = at.astimezone(zone)
    again = len(wall_times(local.date(), local.hour, local.minute, zone)) > 1 and local.fold
    return f"{local:%Y-%m-%dT%H:%M}{AGAIN if again else ''}"


def _second(at: datetime) -> datetime:
    """Return the instant in UTC, its fraction of a second cut off."""
    return at.astimezone(UTC).replace(microsecond=0)


def _said(at: datetime, now: datetime) -> str:
    """Say an instant in the zone of `now`, with its day if that is another one."""
    local = at.astimezone(now.tzinfo)
    return f"{local:%H:%M}" if local.date() == now.date() else f"{local:%H:%M le %d/%m}"
