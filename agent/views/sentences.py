"""Puts a `SiteState` into sentences: what the page and the terminal say, word for word the same.

The one idea: the state knows nothing of words, the templates know nothing of states; here they meet. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, tzinfo
from zoneinfo import ZoneInfo

from agent.config import Site
from agent.live import LiveSupply
from agent.rules.hours import WeeklyHours
from agent.rules.incidents import Area, Incident, Level
from agent.rules.linkfacts import WORKS
from agent.views.events import Labels, tell
from agent.views.linkwords import link_words
from agent.views.state import Card, DeviceLine, DoorLine, LinkLine, SiteState
from agent.views.supplies import INKS, SaidSupply, said_supply, said_tray
from agent.views.words import Words, capital, words

RESTARTS = frozenset({"link-box", "link-internet", "link-line"})  # their remedy is to restart the box of a link
BY_LINE = frozenset({"link-line", "link-internet"})  # their remedy is that of the kind of line
# where an incident is put right, if a page does
ACTS = {
    "copies-nobodys": ("/impressions#waiting", "nobodys.act"),
    "printed-past": ("/impressions#past", "past.act"),
    "spool-gap": ("/impressions#waiting", "nobodys.act"),
    "people-left": ("/visites", "visites.act"),
    "lockdown": ("/porte", "lockdown.act"),
    "link-loss": ("/internet", "internet.act"),
    "link-delay": ("/internet", "internet.act"),
}
ALARMS = frozenset({"lockdown", "door-forced"})  # urgent, and nothing is out of order
TONERS = {"printer-toner-low": 0.2, "printer-toner-empty": 0.01}  # levels at which a toner may be the one meant
RESTART_MINUTES = 5  # how long a provider's box takes to come back


@dataclass(frozen=True, slots=True)
class Verdict:
    """The one sentence."""

    level: Level
    sentence: str
    more: str


@dataclass(frozen=True, slots=True)
class SaidIncident:
    """One thing that is wrong, since when, and the one thing to do."""

    level: Level
    title: str
    since: str
    remedy: str
    restart: str = ""  # the link whose box may be said to have been restarted
    restarted: str = ""  # what came of it, so far
    link: str = ""  # the page where it is put right
    act: str = ""  # what one does there


@dataclass(frozen=True, slots=True)
class SaidLine:
    """One line of a card."""

    level: Level | None
    name: str
    words: str
    soft: str
    supplies: tuple[SaidSupply, ...] = ()


@dataclass(frozen=True, slots=True)
class SaidCard:
    """One card."""

    area: Area
    level: Level
    word: str  # the level's
    name: str
    sentence: str
    incidents: tuple[SaidIncident, ...]
    lines: tuple[SaidLine, ...]


@dataclass(frozen=True, slots=True)
class SaidEvent:
    """One of today's facts."""

    utc: str
    time: str
    words: str


@dataclass(frozen=True, slots=True)
class SaidPaper:
    """One device's paper today."""

    name: str
    numbers: tuple[str, ...]  # prints, copies, unattributed, total


def subject_name(area: Area, key: str, subject: str, labels: Labels, words: Words) -> str:
    """Return what people call the thing an incident is about."""
    if area is Area.INTERNET:
        return labels.links.get(subject, subject)
    if area is Area.PAPER and subject in labels.devices:
        return labels.devices[subject]
    if key == "silent-box":
        return words.either("service", subject)
    return subject


def values_of(name: str, detail: str) -> dict[str, str | int]:
    """Return what the words of an incident are filled in with; a detail that is a number is written as one."""
    return {"name": name, "code": int(detail) if detail.isdecimal() else detail}


class Saying:
    """Says one state in one language."""

    def __init__(self, site: Site, state: SiteState, language: str) -> None:
        self.state = state
        self.words: Words = words(language, site.site.asked_instead)
        self.zone: tzinfo = ZoneInfo(site.site.timezone)
        self._labels = Labels.of(site)
        self._members_use = site.site.members_use
        self._lines = {name: link.line for name, link in site.links.items()}

    def time(self, at: datetime, pattern: str = "%H:%M") -> str:
        """Write a time of day of the site."""
        return at.astimezone(self.zone).strftime(pattern)

    def since(self, at: datetime | None) -> str:
        """Write since when, or nothing if it is not known."""
        return "" if at is None else self.words.since(at, self.state.at, self.zone)

    def verdict(self) -> Verdict:
        """Say the one sentence."""
        level, incidents = self.state.level, self.state.incidents
        if level is Level.OK:
            return Verdict(level, self.words("verdict.ok"), self.words("verdict.ok_more"))
        if level is Level.UNKNOWN:
            own = [self.incident(one).title for one in incidents if one.level is level]
            said = own[0] if len(own) == 1 else self.words("verdict.unknown")
            return Verdict(level, said, self.words("verdict.unknown_more"))
        first = self.incident(incidents[0]).title
        if level is Level.WATCH:
            return Verdict(level, self.words("verdict.watch", n=len(incidents)), first)
        others = [self.incident(one).title for one in incidents[1:] if one.level is Level.DOWN]
        more = " · ".join(others)
        if _alarming(incidents):
            return Verdict(level, first, more)
        return Verdict(level, self.words("verdict.down", n=1 + len(others), title=first), more)

    def incident(self, incident: Incident) -> SaidIncident:
        """Say what is wrong and what to do."""
        values = values_of(self._name(incident), incident.detail)
        return SaidIncident(
            incident.level,
            self.words(f"incident.{incident.key}.title", **values) + self._toners(incident),
            self.since(incident.since),
            self._remedy(incident, values),
            incident.subject if incident.key in RESTARTS else "",
            self._restarted(incident),
            *self._act(incident),
        )

    def _toners(self, incident: Incident) -> str:
        """Return which toner it is, and its level, if the device tells levels: what is to be bought or changed."""
        most = TONERS.get(incident.key)
        supplies = next((one.supplies for one in self.state.devices if one.name == incident.subject), ())
        if most is None:
            return ""
        low = [said_supply(one, self.words) for one in supplies if one.colour in INKS and _share(one) <= most]
        return f" ({', '.join(f'{one.name.lower()} {one.level}' for one in low)})" if low else ""

    def _act(self, incident: Incident) -> tuple[str, str]:
        """Return the page where it is put right, and what one does there; empty if there is none."""
        link, act = ACTS.get(incident.key, ("", ""))
        return link, self.words(act) if act else ""

    def _remedy(self, incident: Incident, values: dict[str, str | int]) -> str:
        line = self._lines.get(incident.subject, "")
        known = incident.key in BY_LINE and line
        return self.words(f"line.{line}" if known else f"incident.{incident.key}.remedy", **values)

    def _restarted(self, incident: Incident) -> str:
        """Say how long ago a dead link's box was restarted, and how long it may still take."""
        at = self.state.today.restarts.get(incident.subject)
        if incident.key not in RESTARTS or at is None or (incident.since is not None and at < incident.since):
            return ""
        passed = max(0, int((self.state.at - at).total_seconds() // 60))
        if passed < RESTART_MINUTES:
            return self.words("restart.waiting", time=self.time(at), n=RESTART_MINUTES - passed)
        return self.words("restart.late", time=self.time(at), n=passed)

    def tiles(self) -> tuple[SaidCard, ...]:
        """Say what members come for, for a screen on the wall: no last card, no counter, nobody.

        The box comes where something is the matter with it: the verdict above counts that too.
        """
        found = []
        for card in self.cards():
            if card.area is not Area.BOX or card.incidents:
                shown = card.incidents if card.area in {Area.INTERNET, Area.PAPER} else ()
                found.append(replace(card, incidents=shown, lines=()))
        return tuple(found)

    def hours(self, week: WeeklyHours, closures: frozenset[date], local: datetime) -> tuple[str, ...]:
        """Say today's hours, and until when the place is open or closed."""
        windows = week.windows(local.date(), closures)
        today = ", ".join(text.replace("-", " – ") for text in windows)
        lines = [self.words("wall.today", hours=today) if windows else self.words("wall.closed_today")]
        change, is_open = week.next_change(local, closures), week.open_at(local, closures)
        if change is not None:
            time = f"{change:%H:%M}"
            if is_open:
                lines.append(self.words("wall.open_until", time=time))
            else:
                lines.append(self.words("wall.opens", day=self.words.day(change), time=time))
        return tuple(lines)

    def cards(self) -> tuple[SaidCard, ...]:
        """Say the cards, in their fixed order."""
        return tuple(self._card(card) for card in self.state.cards)

    def box(self) -> tuple[str, ...]:
        """Say how the box itself is."""
        up = sum(1 for one in self.state.services if one.up)
        lines = [self.words("box.services", n=up)]
        today = self.state.today
        faulty = bool(today.fault) or any(one.key == "ledger-fault" for one in self.state.incidents)
        lines.append(self.words("box.ledger_bad") if faulty else self.words("box.ledger", n=today.seq))
        lines.append(self.words(f"trust.{self.state.trust}"))
        if self.state.version:
            lines.append(self.words("box.version", version=self.state.version))
        return tuple(lines)

    def events(self) -> tuple[SaidEvent, ...]:
        """Say the last of today's facts, newest first."""
        return tuple(
            SaidEvent(
                entry.at.utc.isoformat(timespec="seconds"),
                self.time(entry.at.utc),
                tell(entry.fact, self.words, self._labels),
            )
            for entry in self.state.today.events
        )

    def paper(self) -> tuple[SaidPaper, ...]:
        """Say today's sides by device."""
        return tuple(
            SaidPaper(
                capital(self._labels.device(name)),
                tuple(self.words.number(n) for n in (one.prints, one.copies, one.unattributed, one.total)),
            )
            for name, one in self.state.today.paper.items()
        )

    def books(self) -> tuple[str, ...]:
        """Say, per device, whether its counter equals its books."""
        return tuple(self._books(device) for device in self.state.devices if device.counter is not None)

    def _books(self, device: DeviceLine) -> str:
        name, counter = self._labels.device(device.name), device.counter or 0
        books = self.state.today.books.get(device.name)
        if books is None:
            return self.words("paper.books_closed", name=name)
        booked = books.opening + books.since.total
        if booked == counter:
            return self.words(
                "paper.books",
                name=name,
                counter=counter,
                opening=books.opening,
                prints=books.since.prints,
                copies=books.since.copies,
                unattributed=books.since.unattributed,
            )
        key = "paper.books_pending" if counter > booked else "paper.books_short"
        return self.words(key, name=name, counter=counter, booked=booked, n=abs(counter - booked))

    def _name(self, incident: Incident) -> str:
        return subject_name(incident.area, incident.key, incident.subject, self._labels, self.words)

    def _card(self, card: Card) -> SaidCard:
        lines: list[SaidLine] = []
        if card.area is Area.INTERNET:
            lines = [self._link(link) for link in self.state.links]
        elif card.area is Area.PAPER:
            lines = [self._device(device) for device in self.state.devices]
        elif card.area is Area.DOOR and self.state.door is not None:
            lines = self._door(self.state.door)
        return SaidCard(
            card.area,
            card.level,
            self.words(f"level.{'alarm' if _alarming(card.incidents) else card.level}"),
            self.words(f"card.{card.area}.name"),
            self._kept() if card.area is Area.INTERNET and card.level is Level.WATCH else "",
            tuple(self.incident(one) for one in card.incidents),
            tuple(lines),
        )

    def _kept(self) -> str:
        """Say which links still carry everybody."""
        up = [self._labels.links.get(link.name, link.name) for link in self.state.links if link.health in WORKS]
        if not up:
            return ""
        switch = self._members_use == "two_wifi" and len(up) < len(self.state.links)
        return self.words(
            "card.internet.watch_two_wifi" if switch else "card.internet.watch", links=self.words.listed(up)
        )

    def _link(self, link: LinkLine) -> SaidLine:
        said = link_words(link.health, link.cause, self.words)
        name = self._labels.links.get(link.name, link.name)
        return SaidLine(link.level, name, said, _joined(self.since(link.since), self.answers(link)))

    def answers(self, link: LinkLine) -> str:
        """Say how a link answers just now."""
        soft = []
        if link.rtt_s is not None:
            soft.append(self.words("link.rtt", ms=self._ms(link.rtt_s)))
        if link.loss_share is not None:
            soft.append(self.words("link.lost", percent=round(link.loss_share * 100)))
        soft += [self.words("link.alone", target=target) for target in link.alone]
        return _joined(*soft)

    def _ms(self, rtt_s: float) -> str:
        written = f"{rtt_s * 1000:.0f}" if rtt_s >= 0.0095 else f"{rtt_s * 1000:.1f}"
        return written.replace(".", ",") if self.words.language == "fr" else written

    def _device(self, device: DeviceLine) -> SaidLine:
        soft = []
        if device.waiting:
            soft.append(self.words("device.waiting", n=device.waiting))
        if device.queued:
            soft.append(self.words("device.queued", n=device.queued))
        if device.visitor:
            soft.append(self.words("device.visitor"))
        if device.refused is not None:
            soft.append(self.words("device.refused", time=self._when(device.refused)))
        if device.counter is not None:
            soft.append(self.words("device.counter", n=device.counter))
        supplies = [said_supply(one, self.words) for one in device.supplies]
        supplies += [said_tray(one, self.words) for one in device.trays]
        name = capital(self._labels.device(device.name))
        ailing = device.level is Level.DOWN and device.state == "idle"  # it waits for paper, or for a hand
        state = self.words("device.help" if ailing else f"device.{device.state}")
        return SaidLine(device.level, name, state, _joined(*soft), tuple(supplies))

    def _door(self, door: DoorLine) -> list[SaidLine]:
        leaf = self.words(f"door.{door.leaf}" if door.contact else "door.no_contact")
        latch = f"{door.latch}_cut" if door.fail_safe else door.latch
        at_rest = self.words(f"latch.{latch}_more") if door.latch == "resting" else ""
        lines = [
            SaidLine(door.level if door.contact else None, "", leaf, self.since(door.opened)),
            SaidLine(None, "", self.words(f"latch.{latch}"), at_rest),
        ]
        lines += self._plan_b(door)
        if door.last_granted is not None:
            lines.append(SaidLine(None, "", self.words("door.granted", time=self._when(door.last_granted)), ""))
        if door.last_refused is not None:
            lines.append(SaidLine(None, "", self.words("door.refused", time=self._when(door.last_refused)), ""))
        return lines

    def _plan_b(self, door: DoorLine) -> list[SaidLine]:
        """Say how to get in without us, as soon as it is not sure that a card opens."""
        own = [one.level for one in self.state.incidents if one.area is Area.DOOR]
        stuck = Level.DOWN in own or Level.UNKNOWN in own
        box, phone = door.plan_b
        said = [self.words("planb.key_box", where=box)] if box else []
        said += [self.words("planb.night_phone", phone=phone)] if phone else []
        return [SaidLine(None, "", one, "") for one in said] if stuck else []

    def _when(self, at: datetime) -> str:
        local = at.astimezone(self.zone)
        time = self.time(at)
        today = self.state.at.astimezone(self.zone).date()
        return time if local.date() == today else f"{self.words.day(local)}, {time}"


def _alarming(incidents: tuple[Incident, ...]) -> bool:
    """Tell whether all that is down is urgent without being out of order."""
    down = [one.key for one in incidents if one.level is Level.DOWN]
    return bool(down) and ALARMS.issuperset(down)


def _share(supply: LiveSupply) -> float:
    return 1.0 if supply.level_share is None else supply.level_share


def _joined(*parts: str) -> str:
    return "\u00a0· ".join(part for part in parts if part)
