"""A house whose pages act: the web service's books answer on their socket, as on a site."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from agent.ask import Answer, Request, answering
from agent.config import Site
from agent.rules.facts import Fact, FormulaId, MemberId
from agent.stories.attribution import PaperBook
from agent.stories.presence import VisitBook
from tests.views.hand import Hand, hand_at, site_of
from tests.views.scenes import SITE, House, house, pictures, write_day

PARIS = ZoneInfo("Europe/Paris")
EXAMPLE = Path(__file__).parents[2] / "agent/views/tariff-example.toml"


def acting_site(folder: Path) -> Site:
    """Return the site of the scenes with a tariff."""
    file = folder / "tariff.toml"
    file.write_bytes(EXAMPLE.read_bytes())
    return replace(SITE, tariff=str(file))


@contextlib.contextmanager
def acting_house(folder: Path, *, day: bool = True, before: Sequence[tuple[datetime, Fact]] = ()) -> Iterator[House]:
    """Open a house with three members; its ledger holds what was `before`, and the scenes' day."""
    with house(folder / "house", acting_site(folder)) as home:
        for utc, fact in before:
            home.ledger.append_now(fact, replace(home.clock.now(), utc=utc), f"before:{utc}")
        for member, name, formula in (
            ("m007", "Bob Martin", "occasional"),
            ("m013", "Zoé Faure", "occasional"),
            ("m042", "Anne Petit", "subscriber"),
        ):
            since = date(2026, 1, 1)
            home.roster.add_member(name, FormulaId(formula), actor="test", since=since, member=MemberId(member))
        if day:
            write_day(home.ledger)
        home.paint(pictures(home.clock.now()))
        yield home


def facts(home: House, *kinds: type[Fact]) -> list[Any]:
    """Return the facts of these kinds."""
    return [entry.fact for entry in home.ledger.entries(*kinds)]


@contextlib.asynccontextmanager
async def desk_of(home: House) -> AsyncIterator[None]:
    """Answer for the web service, as `services.web` does."""
    visits = VisitBook(home.ledger, home.roster, home.clock, PARIS)
    paper = PaperBook(home.ledger, home.roster, home.clock)

    async def answer(request: Request) -> Answer:
        said = await visits.answer(request) or await paper.answer(request)
        return said or Answer(False, "?")

    async with answering(home.places.run, "web", home.clock, answer):
        yield


def act(home: House, story: Callable[[Hand], Awaitable[None]]) -> None:
    """Run a story with a signed-in animator's browser, on a site whose services answer."""

    async def run() -> None:
        async with desk_of(home), site_of(home) as (app, origin), hand_at(app, origin) as hand:
            await hand.claim()
            await asyncio.wait_for(story(hand), 60)

    asyncio.run(run())
