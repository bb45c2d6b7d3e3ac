"""`/copieur`: a small page for a screen beside the copier. Anybody may stand there: it names nobody.

The one idea: the badge is the only input that is needed. The page says what to do, then for a few seconds what the
badge did (how many jobs, pages, and the price), or why nothing came out and what to do about it; then it forgets.
Without a screen the badge does the same. Served as the wall is: also over plain HTTP, no cookie, no form, readable
without JavaScript; only at a screen that the site file names are there buttons (`whopays`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from aiohttp import web

from agent.config import Site
from agent.live import STALE_S, LiveAsk, LiveGreeting, LiveRelease, LiveTab, Picture, age_s, read_pictures
from agent.rules.incidents import Area, Level
from agent.rules.payers import Charge
from agent.views.events import Labels, refusal
from agent.views.sentences import Saying
from agent.views.web.gate import CLOCK, GATE, PLACES, Token, words_of
from agent.views.web.watch import WATCH
from agent.views.web.whopays import buttons, chooses, opened, standing, tab_of, touch
from agent.views.words import Words, capital

SHOWN = timedelta(seconds=20)
AGAIN_S = 2  # how often the page comes again: a badge is answered on paper at once, on the screen within this
CALM_S = 15  # ... without JavaScript, while somebody is to touch it: no page changes under their finger


@dataclass(frozen=True, slots=True)
class Greeting:
    """What the screen says."""

    level: str
    sentence: str
    more: str


@dataclass(frozen=True, slots=True)
class Seen:
    """One copier, as its screen needs it."""

    device: str
    label: str
    intake: bool  # jobs wait for a badge here
    copied: int | None  # sides so far, while a badge lets copy
    asked: LiveAsk | None = None  # somebody is choosing who pays
    unchosen: bool = False  # nobody chose, just now
    tab: LiveTab | None = None  # of whoever copies, or just did
    choosing: bool = False  # they are asked here who pays for their copies


def devices_of(site: Site) -> list[str]:
    """Return the devices that ask for a badge: to let jobs out, or to let copy."""
    return [name for name, printer in site.printers.items() if site.intake(name) or printer.connector is not None]


def routes(app: web.Application) -> None:
    """Add the screen, where a badge is asked for."""
    if devices_of(app[GATE].site):
        app.router.add_get("/copieur", show)
        app.router.add_get("/copieur/{device}", show)
        app.router.add_post("/copieur/{device}/qui-paie", touch)


async def show(request: web.Request) -> web.Response:
    """Show the screen of one copier, the first if none is named."""
    site, t = request.app[GATE].site, words_of(request)
    devices = devices_of(site)
    device = request.match_info.get("device", devices[0])
    if device not in devices:
        raise web.HTTPNotFound
    say = Saying(site, request.app[WATCH].look(), t.language)
    paper = _paper(request)
    release = None if paper is None else paper.release
    live = None if paper is None else paper.devices.get(device)
    label = Labels.of(site).device(device)
    asked, unchosen = standing(release, device, say.state.at)
    tab, copied = tab_of(paper, device, say.state.at), None if live is None else live.copied
    choosing = chooses(request, device) and opened(request, tab)
    seen = Seen(device, label, bool(site.intake(device)), copied, asked, unchosen, tab, choosing)
    knows = release is not None and release.held is not None and bool(site.intake(device))
    said = greet(release, seen, say)
    html = (
        request.app[GATE]
        .env.get_template("counter.html")
        .render(
            t=t,
            site=site.site.name,
            label=capital(label),
            said=said,
            lost=_unknown(say.words),
            again=AGAIN_S,
            calm=CALM_S if asked or choosing else AGAIN_S,
            buttons=buttons(request, device, asked, tab, t, releases=knows),
            device=device,
            csrf=Token(request),
            time=say.time(say.state.at, "%H:%M"),
            waiting=len((release and release.held) or ()),
            phone=site.site.help_phone,
        )
    )
    return web.Response(text=html, content_type="text/html")


def release_now(request: web.Request) -> LiveRelease | None:
    """Return what the paper service last showed of waiting jobs; None if it is silent or does not know."""
    paper = _paper(request)
    return None if paper is None else paper.release


def _paper(request: web.Request) -> Picture | None:
    """Return what the paper service last showed; None if it is silent."""
    paper = read_pictures(request.app[PLACES].run).get("paper")
    fresh = paper is not None and age_s(paper, request.app[CLOCK].now()) <= STALE_S
    return paper if fresh else None


def greet(release: LiveRelease | None, seen: Seen, say: Saying) -> Greeting:
    """Say what the last badge did, if that was just now; else what to do."""
    t = say.words
    last = None if release is None else release.greetings.get(seen.device)
    if last and not timedelta() <= say.state.at - last.at < SHOWN:
        last = None
    asking = None if release is None or release.held is None else _asking(seen, last, t)
    if said := asking or _charged(seen, say):
        return said
    if seen.copied is not None and not (last and (last.jobs or last.refused)):
        sentence = t("copieur.copied", n=seen.copied) if seen.copied else t("copieur.free")
        return Greeting(Level.OK, sentence, t("copieur.free_more"))
    if seen.intake and (release is None or release.held is None):
        return _unknown(t)
    if last:
        return _answered(last, seen.label, t)
    paper = [one for card in say.cards() if card.area is Area.PAPER for one in card.incidents]
    wrong = [one for one in paper if one.level == Level.DOWN]
    if wrong:
        return Greeting(Level.DOWN, wrong[0].title, wrong[0].remedy)
    return Greeting(Level.OK, t("copieur.badge"), t("copieur.badge_more" if seen.intake else "copieur.badge_copy"))


def _unknown(t: Words) -> Greeting:
    return Greeting(Level.UNKNOWN, t("copieur.unknown"), t("copieur.unknown_more"))


def _asking(seen: Seen, last: LiveGreeting | None, t: Words) -> Greeting | None:
    """Ask who pays, or say that nobody chose; None if nobody is asked."""
    asked = seen.asked
    if asked is None:
        lapsed = seen.unchosen and last is None
        return Greeting(Level.WATCH, t("copieur.unchosen"), t("copieur.unchosen_more")) if lapsed else None
    if not asked.payers:
        return Greeting(Level.OK, t("copieur.badge"), t("copieur.armed_more"))
    if not asked.jobs:
        return Greeting(Level.OK, t("copieur.copies_who"), t("copieur.copies_who_more"))
    what = t("copieur.jobs", n=asked.jobs)
    if asked.sides is not None:
        what = f"{what}, {t('copieur.pages', n=asked.sides)}"
    return Greeting(Level.OK, t("copieur.who_pays"), t("copieur.who_pays_more", what=what))


def _charged(seen: Seen, say: Saying) -> Greeting | None:
    """Ask who pays for copies, or say what came of the last choice, if that was just now; None otherwise."""
    t, tab = say.words, seen.tab
    if seen.choosing:
        return Greeting(Level.OK, t("copieur.copies_who"), t("copieur.copies_who_more"))
    if tab is None or tab.said is None or not timedelta() <= say.state.at - tab.said < SHOWN:
        return None
    if tab.came != Charge.CHARGED:
        return Greeting(Level.WATCH, capital(t.either("unpaid", tab.came)), t("copieur.copies_still"))
    if tab.payer:
        return Greeting(Level.OK, t("copieur.copies_account"), t("copieur.copies_account_more"))
    return Greeting(Level.OK, t("copieur.copies_self"), t("copieur.copies_self_more"))


def _answered(last: LiveGreeting, name: str, t: Words) -> Greeting:
    if last.refused == "card":
        return Greeting(Level.WATCH, t("copieur.card"), t("copieur.card_more"))
    if last.refused == "roster":
        return Greeting(Level.WATCH, t("copieur.roster"), t("copieur.roster_more"))
    if last.refused == "no-payer":
        return Greeting(Level.WATCH, t("copieur.no_payer"), t("copieur.no_payer_more"))
    if last.refused:
        more = t("copieur.payer_more" if last.refused == "payer" else "copieur.refused_more", n=last.jobs)
        return Greeting(Level.DOWN, capital(refusal(t, name, last.refused)), more)
    if not last.jobs:
        return Greeting(Level.WATCH, t("copieur.none"), t("copieur.none_more"))
    parts = [t("copieur.jobs", n=last.jobs)]
    if last.sides is not None:
        parts.append(t("copieur.pages", n=last.sides))
    if last.colour:
        parts.append(t("copieur.colour", n=last.colour))
    if last.high:
        price = money(last.high, last.currency, t)
        parts.append(price if last.low == last.high else t("copieur.at_most", price=price))
    more = "copieur.hello_more" if last.high else "copieur.hello_account" if last.account else "copieur.hello_sheets"
    return Greeting(Level.OK, t("copieur.hello", what=", ".join(parts)), t(more))


def money(amount: str, currency: str, t: Words) -> str:
    """Write an amount: 1,40 € in French."""
    sign = "€" if currency == "EUR" else currency
    written = f"{Decimal(amount):.2f}"
    return f"{written.replace('.', ',')}\N{NO-BREAK SPACE}{sign}" if t.language == "fr" else f"{written} {sign}"
