"""Counters and contract, for a copier that nobody wired: relevé, user codes, invoice. `/impressions/compteurs`.

The one idea: what a leased machine's network does not tell, its panel and its exports do. Once a month somebody types
the panel's lines, or brings the file of user codes; what the house did not count itself then stands under
« Impressions », to be given to whose it was. A file is taken whole or not at all.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from aiohttp import web

from agent.memory.handcount import Keyed, last_panel, plan_codes, plan_panel, quarter_of_device
from agent.memory.ledger import LedgerError
from agent.memory.roster import RosterError
from agent.rules.codes import code_name, code_owner, fallen, read_codes
from agent.rules.contract import (
    COLOURS,
    FUNCTIONS,
    amount_of,
    bill,
    quarter_at,
    quarter_of,
    quarters_to,
)
from agent.rules.facts import MemberId
from agent.rules.memberlist import LineFault, read_day
from agent.rules.pages import Owner
from agent.rules.panel import NOT_SHOWN, Typed, doubt
from agent.rules.paper import PanelRead
from agent.rules.stretches import lay
from agent.views.events import Labels
from agent.views.lessor import quarter_sentences, terms_of
from agent.views.web.asking import called, current, local_now, open_payers
from agent.views.web.gate import (
    COMMIT_S,
    GATE,
    LEDGER,
    ROSTER,
    Role,
    account_of,
    audit,
    back,
    form,
    needs,
    page,
    upload,
    words_of,
)
from agent.views.web.members import changed
from agent.views.words import Words, capital

PATH = "/impressions/compteurs"
QUARTERS = 8  # an invoice may come two years late
MOST = 1_000_000_000  # sides: no copier gets that old

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Code:
    """A user code, and whose it is."""

    user: str  # the roster's name of it: DEVICE#CODE
    code: str
    whose: str  # a member's id, a shared account's, or ""
    name: str
    ended: bool  # its shared account pays no more: its copies are nobody's


@dataclass(frozen=True, slots=True)
class Machine:
    """One printing device, as this page shows it."""

    device: str
    name: str
    way: str  # config.COPIES
    last: str  # about the last relevé; "" there is none
    codes: tuple[Code, ...]
    contract: tuple[str, ...]  # one sentence a line
    lines: tuple[str, ...]  # of its invoice
    priced: bool  # the contract's prices are known
    how: str  # in words


@dataclass(frozen=True, slots=True)
class Doubted:
    """A relevé that may be mistyped: nothing is written until somebody says that it is so."""

    says: str = ""
    typed: Mapping[str, str] = field(default_factory=dict)


NO_DOUBT = Doubted()


def routes(app: web.Application) -> None:
    """Add this page, where anything prints."""
    if not app[GATE].site.printers:
        return
    app.router.add_get(PATH, show)
    app.router.add_post(f"{PATH}/releve", type_panel)
    app.router.add_post(f"{PATH}/codes", import_codes)
    app.router.add_post(f"{PATH}/code", give_code)


@needs(Role.ANIMATOR)
async def show(request: web.Request) -> web.StreamResponse:
    """Show the devices, how their copies are counted, and the quarter's contract."""
    return _page(request)


def _page(
    request: web.Request,
    faults: Iterable[LineFault] = (),
    device: str = "",
    *,
    fallen: bool = False,
    doubted: Doubted = NO_DOUBT,
) -> web.Response:
    t = words_of(request)
    asked = request.query.get("quarter", "")
    current_quarter = quarter_at(local_now(request).date())
    quarter = asked if quarter_of(asked) else current_quarter
    offered = quarters_to(current_quarter, QUARTERS)
    try:
        machines = [_machine(request, t, name, quarter) for name in request.app[GATE].site.printers]
    except LedgerError as error:
        log.warning("the counters cannot be read: %s", error)
        raise web.HTTPServiceUnavailable from error
    said = [(fault.line, fault.fr if t.language == "fr" else fault.en) for fault in faults]
    return page(
        request,
        "counters.html",
        title="counters.title",
        status=422 if said or doubted.says else 200,
        machines=machines,
        faults=said,
        faulty=device,
        fallen=fallen,
        doubted=doubted,
        quarter=quarter,
        quarters=offered if quarter in offered else (quarter, *offered),
        invoice=_invoice(request),
        total=request.query.get("total", ""),
        odd=_odd(request),
        today=local_now(request).date().isoformat(),
        members=current(request),
        payers=open_payers(request),
    )


def _machine(request: web.Request, t: Words, name: str, quarter: str) -> Machine:
    config = request.app[GATE].site.printers[name]
    last = last_panel(request.app[LEDGER], name)
    called = capital(Labels.of(request.app[GATE].site).device(name))
    codes = _codes(request, name) if config.copies == "codes" else ()
    said = config.contract
    prices = (
        () if said is None else (said.mono_price, said.colour_price, *(one.price for one in said.functions.values()))
    )
    priced = said is not None and bool(said.package_price or any(prices))
    how, lines = t(f"counters.way_{config.copies}"), terms_of(config).lines
    contract = _contract(request, t, name, quarter)
    return Machine(name, called, config.copies, _said(t, last), codes, contract, lines, priced, how)


def _said(t: Words, last: PanelRead | None) -> str:
    if last is None:
        return ""
    return t("counters.last", day=t.day_of(last.day), mono=last.mono, colour=last.colour)


def _codes(request: web.Request, device: str) -> tuple[Code, ...]:
    names, roster = called(request), request.app[ROSTER].roster()
    found = []
    for user, alias in sorted(roster.aliases.items()):
        if user.startswith(f"{device}#"):
            payer = roster.payer_codes.get(alias.id, "")
            whose = payer or alias.member or ""
            ended = bool(payer) and payer not in open_payers(request)
            found.append(Code(user, user.partition("#")[2], whose, names.get(whose, ""), ended))
    return tuple(found)


# --- the relevé --------------------------------------------------------------------------------------------------


@needs(Role.ANIMATOR)
async def type_panel(request: web.Request) -> web.StreamResponse:
    """Take down what somebody read on a panel."""
    fields = await form(request)
    device = fields.get("device", "")
    typed = _typed(fields, local_now(request).date())
    if device not in request.app[GATE].site.printers or typed is None:
        return back(request, PATH, "counters.not_numbers")
    try:
        read, facts = plan_panel(request.app[LEDGER], device, typed, account_of(request).id)
    except LedgerError as error:
        raise web.HTTPServiceUnavailable from error
    rest = sum(fact.mono + fact.colour for fact, _ in facts if not isinstance(fact, PanelRead))  # type: ignore[attr-defined]
    why = "" if fields.get("sure") else doubt(read, rest)
    if why:
        says = words_of(request)(f"counters.doubt_{why}", n=rest, counted=read.counted)
        return _page(request, device=device, doubted=Doubted(says, fields))
    await _put(request, facts)
    return back(request, PATH, f"counters.panel_{read.why}", n=rest, counted=read.counted)


def _typed(fields: dict[str, str], today: date) -> Typed | None:
    """Read the form; None if a number or the day cannot be."""
    day = read_day(fields.get("day", ""))
    counts = [_number(fields.get(key, "")) for key in ("mono", "colour", "copies_mono", "copies_colour")]
    if day is None or day > today or None in counts or counts[0] == NOT_SHOWN:
        return None
    mono, colour, copies_mono, copies_colour = (NOT_SHOWN if count is None else count for count in counts)
    if copies_mono != NOT_SHOWN and copies_colour == NOT_SHOWN:
        copies_colour = 0  # a black-and-white machine shows one line
    return Typed(day, mono, max(0, colour), copies_mono, copies_colour)


def _number(text: str) -> int | None:
    """Return a number as people type it, NOT_SHOWN for an empty field, None for what is none."""
    digits = "".join(text.replace(".", "").split())
    if not digits:
        return NOT_SHOWN
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 11 and int(digits) < MOST else None


async def _put(request: web.Request, facts: Iterable[Keyed]) -> None:
    """Write facts and wait until they are on the disk; what was written already is written once."""
    gate = request.app[GATE]
    try:
        waiting = [gate.ledger.append(fact, gate.clock.now(), key) for fact, key in facts]
        async with asyncio.timeout(COMMIT_S):
            await asyncio.shield(asyncio.gather(*waiting))
    except (LedgerError, TimeoutError) as error:
        log.warning("counters are not written: %s", error or "the disk is slow")
        raise web.HTTPServiceUnavailable from error


# --- user codes --------------------------------------------------------------------------------------------------


@needs(Role.ANIMATOR)
async def import_codes(request: web.Request) -> web.StreamResponse:
    """Take a file of user codes: all of it, or nothing and every fault with its line."""
    fields, data = await upload(request)
    device = fields.get("device", "")
    config = request.app[GATE].site.printers.get(device)
    if config is None or not data:
        return back(request, PATH, "counters.no_file")
    file = read_codes(data, config.code_columns)
    if file.faults:
        return _page(request, file.faults, device)
    try:
        plan = plan_codes(
            request.app[LEDGER],
            device,
            file,
            data,
            lambda code: _owner(request, device, code),
            cumulative=config.codes_cumulative,
        )
    except LedgerError as error:
        raise web.HTTPServiceUnavailable from error
    if (fell := fallen(plan.judged)) and not fields.get("reset"):
        return _page(request, fell, device, fallen=True)
    await _put(request, plan.facts)
    await audit(request, "codes-imported", device)
    key = "counters.codes_fell" if fell else "counters.codes_nobodys" if plan.nobodys else "counters.codes_done"
    return back(request, PATH, key, n=plan.sides, codes=len(file.rows), fell=len(fell), nobodys=plan.nobodys)


def _owner(request: web.Request, device: str, code: str) -> Owner:
    roster = request.app[ROSTER]
    return code_owner(roster.alias(code_name(device, code)), roster.roster(), local_now(request).date())


@needs(Role.ANIMATOR)
async def give_code(request: web.Request) -> web.StreamResponse:
    """Say whose a user code is, from now on: a member's, a shared account's, or nobody's."""
    fields = await form(request)
    user, whose = fields.get("user", ""), fields.get("whose", "")
    code = request.app[ROSTER].roster().aliases.get(user)
    names = {who: one.name for who, one in current(request).items()} | open_payers(request)
    if code is None or "#" not in user or whose not in {*names, "-"}:
        return back(request, PATH, "counters.choose")
    owner = MemberId("" if whose == "-" else whose)
    try:
        changed(request, lambda roster, actor: roster.payers.give_code(code.id, owner, actor=actor))
    except RosterError:  # it was erased meanwhile
        return back(request, PATH, "counters.choose")
    if not owner:
        return back(request, PATH, "counters.code_taken")
    return back(request, PATH, "counters.code_given", name=names[whose])


# --- the contract ------------------------------------------------------------------------------------------------


def _invoice(request: web.Request) -> dict[str, int]:
    found = {line: _number(request.query.get(line, "")) for line in (*COLOURS, *FUNCTIONS)}
    return {line: count for line, count in found.items() if count is not None and count != NOT_SHOWN}


def _odd(request: web.Request) -> list[str]:
    """Return what was typed of an invoice and is no number: it is compared with nothing."""
    typed = {line: request.query.get(line, "") for line in (*COLOURS, *FUNCTIONS)}
    odd = [text for text in typed.values() if _number(text) is None]
    total = request.query.get("total", "")
    return [one[:40] for one in (*odd, *([total] if total.strip() and amount_of(total) is None else []))]


def _contract(request: web.Request, t: Words, name: str, quarter: str) -> tuple[str, ...]:
    span = quarter_of(quarter)
    assert span is not None
    found = quarter_of_device(request.app[LEDGER], name, *span)
    if found is None:
        return ()
    terms = terms_of(request.app[GATE].site.printers[name])
    laid = lay(found, terms, _invoice(request))
    return quarter_sentences(t, found, laid, bill(laid.whole, terms, amount_of(request.query.get("total", ""))))
