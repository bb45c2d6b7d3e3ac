"""Paper: the devices, what was printed and copied today, and whose the rest is. `/impressions`.

The one idea: what nobody is known for costs the place money, and only somebody in the room remembers whose it was. So
each unclaimed job and each row of unattributed copies stands with its time, its size and the name it came under, and
one select gives it to a member. An attribution is a fact and can be taken back; the books stay balanced throughout.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from agent.memory.followed import Followed, catch_up
from agent.memory.ledger import Entry, LedgerError
from agent.memory.open_books import followed_doubts, followed_slips
from agent.rules.attribution import Slip, Slips, slip_name
from agent.rules.facts import AliasId
from agent.rules.incidents import Area
from agent.rules.pages import AttemptCounted, AttemptOwned, PagesCounted
from agent.rules.paper import CopiesByHand, CopiesCounted, CopiesUnheard, PrintedPast
from agent.rules.past import HOUSE, PastCounted, counted
from agent.rules.review import Doubt, Doubts
from agent.rules.settlement import BY_HAND
from agent.views.events import Labels
from agent.views.lately import lately
from agent.views.sentences import Saying
from agent.views.web import held, past
from agent.views.web.asking import asked, called, current, local_now, open_payers
from agent.views.web.gate import CLOCK, GATE, LEDGER, ROSTER, Role, back, form, needs, page, words_of
from agent.views.web.watch import WATCH
from agent.views.words import Words, capital

JOBS = 100  # of today, newest first
SLIPS = 15  # shown at once, of the last two months, newest first: those nobody has, and those given by hand
SAID = {"given": "impressions.given", "not-always": "impressions.not_always", "nothing": "impressions.nothing"}
UNSETTLED = {"impossible": "review.impossible", "unclear": "review.unclear"}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """One print or one row of copies of today."""

    time: str
    what: str
    whose: str
    proof: str  # who says so; "" for copies: the counters do
    paper: str  # its name, where a shared account may pay it or pays it
    moved: bool  # somebody else pays by now


@dataclass(frozen=True, slots=True)
class Waiting:
    """One piece of paper that was nobody's when it was counted."""

    paper: str
    time: str
    what: str
    user: str  # the print name it came under; "" for copies
    member: str  # whose it is by now; "" nobody's; HOUSE the place's own
    name: str
    learns: bool = False  # that name may be theirs from now on
    ours: str = ""  # HOUSE where it may be the place's own
    own: str = ""  # whose it was when it was counted: they may only have somebody else pay
    own_name: str = ""


@dataclass(frozen=True, slots=True)
class Unsure:
    """One print attempt of which the sides are not certain."""

    attempt: str
    time: str
    what: str
    name: str
    low: int
    high: int
    colour: bool  # somebody must say how many are in colour


FOLLOWED = web.AppKey("slips", Followed)
DOUBTS = web.AppKey("doubts", Followed)


def routes(app: web.Application) -> None:
    """Add these pages, where anything prints."""
    if not app[GATE].site.printers:
        return
    app[FOLLOWED] = followed_slips(app[LEDGER], app[CLOCK])
    app[DOUBTS] = followed_doubts(app[LEDGER], app[CLOCK])
    past.routes(app)
    app.on_startup.append(_catch_up)
    app.router.add_get("/impressions", show_paper)
    app.router.add_post("/impressions/verifier", settle)
    app.router.add_get("/impressions/attribuer", show_giving)
    app.router.add_post("/impressions/attribuer", give)


async def _catch_up(app: web.Application) -> None:
    await catch_up(app[FOLLOWED], app[DOUBTS], app[past.PAST])


@needs(Role.ANIMATOR)
async def show_paper(request: web.Request) -> web.StreamResponse:
    """Show the devices, the books, today's jobs and what nobody is known for."""
    watch, t = request.app[WATCH], words_of(request)
    say = Saying(watch.site, watch.look(), t.language)
    teller = _Teller(t, local_now(request), called(request), Labels.of(watch.site))
    try:
        slips, doubts = request.app[FOLLOWED].read(), request.app[DOUBTS].read()
        midnight = teller.now.replace(hour=0, minute=0, second=0, microsecond=0)
        strays = past.rows(request)
        today = lately(request.app[LEDGER], (PagesCounted, CopiesCounted, PrintedPast), midnight, JOBS)
    except LedgerError as error:
        log.warning("the paper cannot be read: %s", error)
        raise web.HTTPServiceUnavailable from error
    assert isinstance(slips, Slips)
    assert isinstance(doubts, Doubts)
    users = {alias.id: user for user, alias in request.app[ROSTER].roster().aliases.items()}
    newest_first = list(slips.by_name.items())[::-1]
    waiting = [(name, slip) for name, slip in newest_first if not slip.member and slip.sides]
    given = [(name, slip) for name, slip in newest_first if slip.member and slip.turn]
    held_rows, held_theirs = held.rows(request, t, teller.names)
    return page(
        request,
        "paper.html",
        held=held_rows,
        held_theirs=held_theirs,
        title="impressions.title",
        cards=[card for card in say.cards() if card.area is Area.PAPER],
        acting=False,
        past=strays,
        books=say.books(),
        jobs=[job for entry in today if (job := teller.job(entry, slips, doubts)) is not None],
        unsure=[teller.unsure(one) for one in doubts.open()[:SLIPS]],
        unsure_count=len(doubts.open()),
        reasons=[why.value for why in BY_HAND],
        count=len(waiting),
        waiting=[teller.waiting(name, slip, users) for name, slip in waiting[:SLIPS]],
        given=[teller.waiting(name, slip, users) for name, slip in given[:SLIPS]],
        members=(members := current(request)),
        payers=open_payers(request),
        inline=held.inline(len(members), len(held_rows) + min(len(waiting), SLIPS)),
    )


@dataclass(frozen=True, slots=True)
class _Teller:
    """Puts paper into words for one request."""

    t: Words
    now: datetime
    names: Mapping[str, str]
    labels: Labels

    def job(self, entry: Entry, slips: Slips, doubts: Doubts) -> Job | None:
        """Say one job of today, as it stands by now; None for an attempt that put nothing on paper."""
        fact = entry.fact
        if isinstance(fact, PagesCounted) and (doubt := doubts.by_attempt.get(fact.attempt)) is not None:
            fact = doubt.counted
        name = slip_name(fact, entry.key)
        slip = slips.by_name.get(name)
        assert isinstance(fact, PagesCounted | CopiesCounted | PrintedPast)
        sides = Slip(entry.key, entry.at.utc, fact).sides
        if not sides:
            return None
        if isinstance(fact, PrintedPast):
            return self.past(entry, fact, slip)
        member = slip.member if slip is not None else fact.member
        proof = self.t(f"review.proof_{fact.evidence}") if isinstance(fact, PagesCounted) else ""
        if isinstance(fact, AttemptCounted) and fact.free:
            free = "review.free" if fact.free == sides else f"review.free_{fact.why_free}"
            proof = f"{proof}, {self.t(free, n=fact.free)}"
        if isinstance(fact, AttemptOwned) and fact.member and (slip is None or not slip.turn):
            proof = f"{proof} · {self.t(f'whose.{fact.level}')}"
        whose = self.name(member) or self.t("impressions.nobody")
        return Job(
            self.time(entry.at.utc),
            self.what(fact),
            whose,
            proof,
            name if fact.member and slip is not None else "",
            member != fact.member,
        )

    def past(self, entry: Entry, fact: PrintedPast, slip: Slip | None) -> Job:
        """Say one print past the box of today: whose it is, is said under what is nobody's."""
        whose = self.name("" if slip is None else slip.member) or self.t("impressions.nobody")
        proof = self.t(f"review.proof_{counted(fact).evidence}")
        return Job(self.time(entry.at.utc), self.what(fact), whose, proof, "", moved=False)

    def waiting(self, name: str, slip: Slip, users: Mapping[AliasId, str]) -> Waiting:
        """Say one piece of paper to be given to somebody."""
        fact = slip.counted
        user = users.get(fact.alias, "") if isinstance(fact, PagesCounted | CopiesByHand | PastCounted) else ""
        past = isinstance(fact, PrintedPast)
        learns, ours = bool(user) and not past, HOUSE if past else ""
        whose = (slip.member, self.name(slip.member))
        own = "" if isinstance(fact, PrintedPast) else fact.member
        return Waiting(name, self.time(slip.at), self.what(fact), user, *whose, learns, ours, own, self.name(own))

    def unsure(self, one: Doubt) -> Unsure:
        """Say one uncertain attempt."""
        fact = one.counted
        between = self.t("review.between", low=fact.low, high=fact.high)
        return Unsure(
            fact.attempt,
            self.time(one.at),
            f"{between} · {capital(self.labels.device(fact.device))}",
            self.name(one.member),
            fact.low,
            fact.high,
            colour=not one.group.endswith(("/mono", "/colour")),
        )

    def what(self, fact: PagesCounted | CopiesCounted | PrintedPast) -> str:
        """Say how much of what: "12 faces, dont 4 en couleur, sur le copieur"."""
        paper = counted(fact) if isinstance(fact, PrintedPast) else fact
        if isinstance(paper, CopiesCounted):
            key, mono, colour = "impressions.copy", paper.mono, paper.colour
        else:
            key = "impressions.past" if isinstance(paper, PastCounted) else "impressions.print"
            mono, colour = paper.sides_mono, paper.sides_colour
        said = self.t(key, n=mono + colour)
        if isinstance(paper, PastCounted) and paper.low < paper.high:
            said = self.t("impressions.past_between", low=paper.low, high=paper.high)
        if isinstance(fact, CopiesUnheard):
            said = self.t("impressions.unheard", low=fact.low, high=mono + colour)
        coloured = f", {self.t('impressions.colour', n=colour)}" if colour else ""
        return f"{said}{coloured} · {capital(self.labels.device(fact.device))}"

    def name(self, member: str) -> str:
        if member == HOUSE:
            return self.t("impressions.house")
        return self.names.get(member, member)

    def time(self, at: datetime) -> str:
        local = at.astimezone(self.now.tzinfo)
        return f"{local:%H:%M}" if local.date() == self.now.date() else f"{self.t.day(local)}, {local:%H:%M}"


@needs(Role.ANIMATOR)
async def settle(request: web.Request) -> web.StreamResponse:
    """Say how many sides an uncertain print attempt had."""
    fields = await form(request)
    wanted = {name: fields.get(name, "").strip() for name in ("attempt", "sides", "colour", "why")}
    answer = await asked(request, "web", "paper-settle", wanted)
    if answer.code == "settled":
        return back(request, "/impressions", "review.done", n=int(wanted["sides"]))
    return back(request, "/impressions", UNSETTLED.get(answer.code, "review.not_written"))


@needs(Role.ANIMATOR)
async def show_giving(request: web.Request) -> web.StreamResponse:
    """Show one piece of paper, to be given to somebody."""
    try:
        slips = request.app[FOLLOWED].read()
    except LedgerError as error:
        log.warning("the paper cannot be read: %s", error)
        raise web.HTTPServiceUnavailable from error
    assert isinstance(slips, Slips)
    name = request.query.get("paper", "")
    slip = slips.by_name.get(name)
    if slip is None:
        return back(request, "/impressions", "impressions.nothing")
    users = {alias.id: user for user, alias in request.app[ROSTER].roster().aliases.items()}
    site = request.app[WATCH].site
    teller = _Teller(words_of(request), local_now(request), called(request), Labels.of(site))
    one = teller.waiting(name, slip, users)
    return page(
        request,
        "give.html",
        title="payers.charge" if one.own else "impressions.whose",
        one=one,
        action="/impressions/attribuer",
        button="payers.charge_do" if one.own else "impressions.give_do",
        members=current(request),
        payers=open_payers(request),
    )


@needs(Role.ANIMATOR)
async def give(request: web.Request) -> web.StreamResponse:
    """Give a piece of paper to a member, a shared account or the place, or take it back."""
    fields = await form(request)
    member = fields.get("member", "")
    if member == "-":
        member = ""
    elif member != HOUSE and member not in called(request):
        return back(request, "/impressions", "impressions.choose")
    wanted = {"paper": fields.get("paper", ""), "member": member, "always": fields.get("always", "")}
    answer = await asked(request, "web", "paper-give", wanted)
    if answer.code == "given":
        t = words_of(request)
        nobody = {"": t("impressions.nobody"), HOUSE: t("impressions.house")}
        name = nobody.get(member) or called(request)[member]
        return back(request, "/impressions", "impressions.given", name=name)
    return back(request, "/impressions", SAID.get(answer.code, "impressions.not_written"))
