"""The alerts service: tells people who are not here what is wrong here. Runs only where the site file has [alerts].

Why a process of its own and not the pages': the web service may speak with this building's networks only (its unit
says so to the kernel), and mail has to leave them; the addresses hold passwords that nobody who breaks into a page
should find in its memory; no page ever waits for a mail server; and who else would tell that the pages are down.
It listens to nothing, and reads the same pictures as the page. While one link is dead its messages leave by another.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from zoneinfo import ZoneInfo

from agent.config import AlertsConfig, Site
from agent.live import read_pictures
from agent.rules.alarms import AlarmPolicy, Letter
from agent.rules.hours import Quiet
from agent.rules.incidents import Incident, Level
from agent.rules.linkfacts import WORKS
from agent.services.standing import Standing
from agent.stories.alarms import AlarmBook, forward, raise_alarms
from agent.views.journal import Today
from agent.views.notices import say_letter
from agent.views.state import LinkLine, state_of
from agent.views.writtendown import WrittenDown
from drivers import open_messenger
from drivers.contract import DriverError, Messenger

ROUTES_MOST = 8
BYTES_MOST = 16 * 1024
CREDENTIAL = "alerts.urls"  # LoadCredential= of the unit: root's file, readable for this process alone


async def wire(here: Standing) -> None:
    """Read the addresses, watch, and forward. Without a section [alerts] it stands idle."""
    if here.site.alerts is not None:
        config = here.site.alerts
        here.mind("alerts", lambda: _run(here, config), longest_wait_s=60.0)


def read_urls(file: Path) -> tuple[str, ...]:
    """Read one address a line; `#` begins a comment. Raises DriverError, without repeating what is in the file."""
    try:
        if file.stat().st_mode & 0o077:
            raise DriverError(f"{file} est lisible par d'autres : chmod 600")
        text = file.read_bytes()[:BYTES_MOST].decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "ce n'est pas du texte UTF-8"
        raise DriverError(f"{file} ne peut être lu : {why}") from None
    urls = tuple(line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#"))
    if not 0 < len(urls) <= ROUTES_MOST:
        raise DriverError(f"{file} contient {len(urls)} adresses ; il en faut de 1 à {ROUTES_MOST}")
    return urls


def open_routes(urls: tuple[str, ...]) -> dict[str, Messenger]:
    """Return the routes by names that hold no secret: what they speak, and their place in the file."""
    return {f"{url.partition(':')[0].lower()}-{place}": open_messenger(url) for place, url in enumerate(urls, 1)}


def surviving(site: Site, links: tuple[LinkLine, ...]) -> str:
    """Return the interface of a link that works while another one does not; "" if that is not how things are."""
    up = [link.name for link in links if link.health in WORKS]
    return site.links[up[0]].interface if 0 < len(up) < len(links) else ""


def _file(config: AlertsConfig) -> Path:
    given = Path(os.environ.get("CREDENTIALS_DIRECTORY", "")) / CREDENTIAL
    return given if os.environ.get("CREDENTIALS_DIRECTORY") and given.is_file() else Path(config.urls_file)


async def _run(here: Standing, config: AlertsConfig) -> None:
    routes = open_routes(read_urls(_file(config)))
    policy = AlarmPolicy(Level(config.level), config.after_s, config.calm_s, tuple(routes))
    book, zone, quiet = AlarmBook(here.ledger, here.clock), ZoneInfo(here.site.site.timezone), Quiet.parse(config.quiet)
    written = WrittenDown(here.site, here.ledger, here.roster, here.clock)

    def look() -> tuple[Incident, ...]:
        today, now = Today(fault=here.ledger.fault), here.clock.now()
        pictures, known = read_pictures(here.places.run), written.read(now)
        return state_of(here.site, pictures, today, now, asking="alerts", written=known).incidents

    def via() -> str:
        pictures = read_pictures(here.places.run)
        return surviving(here.site, state_of(here.site, pictures, Today(), here.clock.now(), asking="alerts").links)

    def say(letter: Letter, lost: int) -> tuple[str, str]:
        return say_letter(here.site, letter, lost, here.site.site.language)

    async with asyncio.TaskGroup() as group:
        group.create_task(raise_alarms(book, look, policy, here.clock))
        for name, messenger in routes.items():
            group.create_task(forward(book, name, messenger, say, quiet, here.clock, zone, here.show_driver, via))
