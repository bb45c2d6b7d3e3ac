"""Words of a message about an incident, for people who are not here. No name of a person can stand in it.

The one idea: a letter says the same sentences as the page, with both its times. It is made of ids of links, devices and
readers, and of the site file's own labels. Pure.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from agent.config import Site
from agent.rules.alarms import AlarmRaised, Letter
from agent.views.events import Labels
from agent.views.sentences import subject_name, values_of
from agent.views.words import Words, words
from drivers.contract import Trust


def say_letter(site: Site, letter: Letter, lost: int, language: str) -> tuple[str, str]:
    """Return title and text of a letter. `lost`: how many older ones were given up."""
    say, zone = words(language, site.site.asked_instead), ZoneInfo(site.site.timezone)
    title, remedy = incident_words(letter.opened, site, say)
    began = _when(letter.opened.since.astimezone(zone), say)
    if letter.closed is None:
        head = say("alert.opened", site=site.site.name, title=title)
        lines = [say("alert.since", when=began), remedy]
    else:
        head = say("alert.closed", site=site.site.name, title=title)
        ended = _when(letter.closed.since.astimezone(zone), say)
        minutes = int((letter.closed.since - letter.opened.since).total_seconds() // 60)
        lasted = say("event.duration", h=minutes // 60, m=minutes % 60)
        lines = [say("alert.lasted", began=began, ended=ended, duration=lasted)]
    spoken = (letter.opened, letter.closed or letter.opened)
    if any(fact.trust is Trust.UNKNOWN for fact in spoken):
        lines.append(say("alert.unsure"))
    if lost:
        lines.append(say("alert.lost", n=lost))
    return head, "\n".join(lines)


def incident_words(fact: AlarmRaised, site: Site, say: Words) -> tuple[str, str]:
    """Return what is wrong and what to do, as the page says it."""
    name = subject_name(fact.area, fact.incident, fact.subject, Labels.of(site), say)
    values = values_of(name, fact.detail)
    return say(f"incident.{fact.incident}.title", **values), say(f"incident.{fact.incident}.remedy", **values)


def _when(local: datetime, say: Words) -> str:
    return say("alert.when", day=say.day(local), time=f"{local:%H:%M}")
