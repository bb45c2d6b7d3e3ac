"""Looks at the site for whoever watches a page, and tells open tabs what changed.

The one idea: two faces of one look. The *state* is the animator's page, the *wall* what anybody in the room may see:
no name, no id, no button. One EventSource per tab (HTML Living Standard section 9.2) carries the parts that changed and
a beat every 5 s. While no tab is open nothing is rendered and no file is read. One event loop; ledger and picture reads
are short and bounded by the day.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from aiohttp import web

from agent.config import Places, Site
from agent.live import read_pictures
from agent.memory.ledger import Ledger, LedgerError
from agent.memory.roster import RosterStore
from agent.rules.hours import WeeklyHours
from agent.views.journal import Journal
from agent.views.sentences import Saying
from agent.views.state import SiteState, state_of
from agent.views.web.render import Rendering
from agent.views.words import LANGUAGES
from agent.views.writtendown import WrittenDown
from drivers.contract import Clock

LOOK_S = 0.5  # how often the pictures are looked at while somebody watches
BEAT_S = 5.0
SEND_S = 10.0
STREAMS = 40  # tabs at once, of each face; the next is told to come back later

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class News:
    """One rendering of a face, in every language."""

    number: int
    parts: Mapping[str, str]  # language -> the JSON of a `parts` event


@dataclass(slots=True)
class Face:
    """One way to show the site, and the tabs that show it."""

    render: Callable[[Saying], dict[str, object]]
    streams: int = 0
    shown: object = None
    news: News = field(default_factory=lambda: News(0, {}))


class Watch:
    """Looks at the site: at each request, and twice a second while streams are open."""

    def __init__(
        self,
        site: Site,
        places: Places,
        ledger: Ledger,
        roster: RosterStore,
        clock: Clock,
        rendering: Rendering,
        version: str,
    ) -> None:
        self.site = site
        self.zone = ZoneInfo(site.site.timezone)
        self.ended = False
        self.rendering = rendering
        self.state = Face(rendering.parts)
        self.wall = Face(lambda say: rendering.wall_parts(say, self.hours(say)))
        self._roster = roster
        self._hours: tuple[object, tuple[str, ...]] = (None, ())
        self._places = places
        self._clock = clock
        self._journal = Journal(ledger, self.zone)
        self._version = version
        self._written = WrittenDown(site, ledger, roster, clock)
        self._changed = asyncio.Condition()

    def look(self) -> SiteState:
        """Return what is to be seen now."""
        now = self._clock.now()
        pictures = read_pictures(self._places.run)
        today = self._journal.read(now)
        return state_of(
            self.site, pictures, today, now, asking="web", version=self._version, written=self._written.read(now)
        )

    def saying(self, language: str) -> Saying:
        """Return what is to be seen now, ready to be said."""
        return Saying(self.site, self.look(), language)

    def hours(self, say: Saying) -> tuple[str, ...]:
        """Say whether the place is open and its hours today; worked out once a minute and once per change.

        Without a roster nobody knows: the site file's week may have been replaced, and the day be closed.
        """
        try:
            roster = self._roster.roster()
        except LedgerError:
            return (say.words("wall.hours_unknown"),)
        local = say.state.at.astimezone(self.zone).replace(second=0, microsecond=0)
        key = (roster.version, local, say.words.language)
        if self._hours[0] != key:
            week = roster.hours or WeeklyHours.parse(self.site.hours)
            self._hours = (key, say.hours(week, roster.closures, local))
        return self._hours[1]

    def time(self) -> str:
        """Return the time of day of the site, as the pages show it."""
        return self._clock.now().utc.astimezone(self.zone).strftime("%H:%M:%S")

    def parts(self, face: Face, language: str) -> str:
        """Return the JSON of a `parts` event of now."""
        return self._say(face.render(self.saying(language)))

    async def run(self) -> None:
        """Render again whenever something changed while somebody watches; until cancelled."""
        while True:
            watched = [face for face in (self.state, self.wall) if face.streams]
            if watched:
                state = self.look()
                for face in watched:
                    await self._show(face, state)
            await asyncio.sleep(LOOK_S)

    async def _show(self, face: Face, state: SiteState) -> None:
        rendered = {language: face.render(Saying(self.site, state, language)) for language in LANGUAGES}
        if rendered == face.shown:
            return
        face.shown = rendered
        said = {language: self._say(one) for language, one in rendered.items()}
        async with self._changed:
            face.news = News(face.news.number + 1, said)
            self._changed.notify_all()

    def _say(self, rendered: dict[str, object]) -> str:
        return json.dumps({**rendered, "time": self.time()}, ensure_ascii=False)

    async def _next(self, face: Face, after: int) -> News | None:
        """Wait for news later than number `after`; None if there is none within a beat."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BEAT_S), self._changed:
                await self._changed.wait_for(lambda: face.news.number > after or self.ended)
                return None if self.ended else face.news
        return None

    async def end(self) -> None:
        """Let every stream go, so that a stop does not wait for open tabs."""
        async with self._changed:
            self.ended = True
            self._changed.notify_all()

    async def stream(
        self, request: web.Request, face: Face, language: str, still: Callable[[], bool]
    ) -> web.StreamResponse:
        """Tell one tab, for as long as it listens and `still` may."""
        if face.streams >= STREAMS:
            raise web.HTTPServiceUnavailable
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
        face.streams += 1
        try:
            await response.prepare(request)
            seen = face.news.number
            await _send(response, f"retry: 2000\nevent: parts\ndata: {self.parts(face, language)}\n\n")
            while not self.ended and still():
                news = await self._next(face, seen)
                if news is None:
                    await _send(response, f"event: beat\ndata: {self.time()}\n\n")
                else:
                    seen = news.number
                    await _send(response, f"event: parts\ndata: {news.parts[language]}\n\n")
        except (ConnectionError, TimeoutError):
            log.debug("a tab went away")
        finally:
            face.streams -= 1
        return response


WATCH = web.AppKey("watch", Watch)


async def _send(response: web.StreamResponse, event: str) -> None:
    """Send one event; a tab that takes nothing for that long is let go."""
    async with asyncio.timeout(SEND_S):
        await response.write(event.encode())
