"""What the acting pages share: asking a service, and the words for money, times and people."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from aiohttp import web

from agent.ask import Answer, AskError, Request, ask
from agent.config import ConfigError
from agent.memory.roster import Person
from agent.rules.folding import fold_text
from agent.rules.payers import ANIMATOR, usable
from agent.rules.tariff import Tariff
from agent.sitefile import read_tariff
from agent.views.web.gate import CLOCK, GATE, PLACES, ROSTER, account_of
from agent.views.words import Words

WAIT_S = 10.0
LOOK_S, LOOKS = 0.05, 20

log = logging.getLogger(__name__)


async def asked(
    request: web.Request,
    service: str,
    action: str,
    arguments: Mapping[str, str],
    *,
    reason: str = "",
    wait_s: float = WAIT_S,
    nonce: str = "",
) -> Answer:
    """Ask a service for whoever acts; one that does not answer is an answer with the code "silent".

    `nonce` becomes the request's id: the same once more does nothing.
    """
    clock = request.app[CLOCK]
    one = Request(action, account_of(request).id, reason, clock.now().mono_s + WAIT_S, arguments)
    if nonce:
        one = Request(action, one.actor, reason, one.expires_mono_s, arguments, nonce)
    try:
        return await ask(request.app[PLACES].run, service, one, wait_s)
    except AskError as error:
        log.warning("%s", error)
        return Answer(False, str(error), "silent")


async def shown_anew(look: Callable[[], object], was: object) -> None:
    """Wait until a service shows something else than it did, a second at most.

    So the page after a deed tells of it: a service shows what it did a moment after it answered.
    """
    for _ in range(LOOKS):
        if look() != was:
            return
        await asyncio.sleep(LOOK_S)


def local_now(request: web.Request) -> datetime:
    """Return the time on the site's wall clock."""
    return request.app[CLOCK].now().utc.astimezone(request.app[GATE].zone)


def people(request: web.Request) -> dict[str, Person]:
    """Return everybody by id, in the order of their names."""
    everybody = sorted(request.app[ROSTER].people(), key=lambda one: (one.name.casefold(), one.id))
    return {one.id: one for one in everybody}


def current(request: web.Request) -> dict[str, Person]:
    """Return who is a member today, in the order of their names."""
    today = local_now(request).date()
    return {
        name: one
        for name, one in people(request).items()
        if one.since <= today and (one.until is None or today <= one.until)
    }


def open_payers(request: web.Request) -> dict[str, str]:
    """Return the names of the shared accounts that pay today, by id, in the order of their names."""
    roster = request.app[ROSTER]
    open_ = usable(roster.roster().payers, ANIMATOR, local_now(request).date())
    rows = [(one, name) for one, name in roster.payers.names().items() if one in open_]
    return dict(sorted(rows, key=lambda row: fold_text(row[1])))


def called(request: web.Request) -> dict[str, str]:
    """Return what everybody is called who may pay: members, and shared accounts."""
    members = {name: one.name for name, one in people(request).items()}
    return members | {str(payer): name for payer, name in request.app[ROSTER].payers.names().items()}


@cache
def _tariff(file: str, changed_ns: int) -> Tariff | None:
    del changed_ns  # another file, another reading
    try:
        return read_tariff(Path(file))
    except ConfigError as error:
        log.warning("the tariff cannot be used: %s", error)
        return None


def tariff_of(request: web.Request) -> Tariff | None:
    """Return the site's tariff, read anew when its file changed; None if there is none that can be used."""
    file = request.app[GATE].site.tariff
    try:
        return _tariff(file, Path(file).stat().st_mtime_ns) if file else None
    except OSError as error:
        log.warning("the tariff cannot be read: %s", error)
        return None


def lasting(minutes: int, t: Words) -> str:
    """Write a length of time."""
    return t("event.duration", h=minutes // 60, m=minutes % 60)


def lasted(span: timedelta) -> str:
    """Write how long, to the second: "6 min 33 s", the same in every language."""
    minutes, seconds = divmod(round(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}\u00a0h {minutes:02d}\u00a0min {seconds:02d}\u00a0s"
    return f"{minutes}\u00a0min {seconds:02d}\u00a0s" if minutes else f"{seconds}\u00a0s"
