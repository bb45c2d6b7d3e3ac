"""The month's statement as a file: CSV for people's spreadsheets, JSON for machines.

The one idea: *run twice, the same bytes*. A file holds no time of its making. It holds the ledger's head it was
computed from, as an anchor off the ledger (`gardien ledger verify --against`); a second run takes that head from the
`StatementIssued` of the first, so it writes the same file and no second fact as long as nothing changed. What falls
into a month is decided by when it was *written down* (on the site's calendar), so a month that is over never changes;
what was written under an unbelieved clock counts at the newest time known before it. A correction of an earlier month
stands as lines of the month it was written in (`rules.months`). Files hold account ids, no names.

CSV: UTF-8 with BOM, `;`, decimal comma, CRLF, as French spreadsheets read it by double-click; cells that a
spreadsheet would run as a formula are guarded. JSON: RFC 8259, canonical (sorted keys), decimals as strings.
"""

from __future__ import annotations

import calendar
import csv
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo

from agent.config import ConfigError, SiteCard
from agent.memory.codec import LedgerError, canonical
from agent.memory.ledger import Entry, Ledger
from agent.rules.attribution import CopiesAttributed, PagesAttributed
from agent.rules.certainty import Absences
from agent.rules.door import believed
from agent.rules.facts import FormulaId, MemberId
from agent.rules.health import ServiceAbsent
from agent.rules.kinds import with_successors
from agent.rules.members import Roster, RosterChanged
from agent.rules.months import Months, merge, regularise
from agent.rules.pages import PagesCounted
from agent.rules.paper import CopiesCounted, PrintsUnmatched
from agent.rules.past import PastAttributed
from agent.rules.presence import VisitCorrected, VisitEnded
from agent.rules.retention import DayCounted
from agent.rules.settlement import PrintSettled
from agent.rules.tariff import Line, Statement, StatementIssued, Tariff, UnpricedError, held_in, statement
from agent.rules.usage import Item, Usage
from drivers.contract import Clock, Trust

COUNTED = (
    *(VisitEnded, PagesCounted, CopiesCounted, PrintsUnmatched),
    *(VisitCorrected, PagesAttributed, CopiesAttributed, PastAttributed, PrintSettled),
)
SCHEMA = "gardien-statement/1"

ARTICLES = {
    Item.MEMBERSHIP: "Adhésion",
    Item.SUBSCRIPTION: "Abonnement",
    Item.VISIT: "Présence",
    Item.VISIT_CAP: "Plafond de présence",
    Item.PRINT_MONO: "Impression noir et blanc",
    Item.PRINT_COLOUR: "Impression couleur",
    Item.COPY_MONO: "Copie noir et blanc",
    Item.COPY_COLOUR: "Copie couleur",
    Item.UNATTRIBUTED_MONO: "Papier non attribué noir et blanc",
    Item.UNATTRIBUTED_COLOUR: "Papier non attribué couleur",
    Item.PRINT_MONO_A3: "Impression A3 noir et blanc",
    Item.PRINT_COLOUR_A3: "Impression A3 couleur",
    Item.COPY_MONO_A3: "Copie A3 noir et blanc",
    Item.COPY_COLOUR_A3: "Copie A3 couleur",
    Item.PRINT_MONO_TWO_SIDED: "Impression recto verso noir et blanc",
    Item.PRINT_COLOUR_TWO_SIDED: "Impression recto verso couleur",
    Item.PRINT_MONO_A3_TWO_SIDED: "Impression A3 recto verso noir et blanc",
    Item.PRINT_COLOUR_A3_TWO_SIDED: "Impression A3 recto verso couleur",
    Item.OVERHEAD_MONO: "Papier offert noir et blanc",
    Item.OVERHEAD_COLOUR: "Papier offert couleur",
}
UNITS = {"minute": "minute", "month": "mois", "side": "face"}
HEADERS = (
    "Mois", "Site", "Compte", "Formule", "Article", "Tarif du", "Quantité", "Gratuit", "Facturé", "Unité",
    "Prix unitaire", "Pour", "Montant", "Devise", "À vérifier", "Ancre du journal",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Issued:
    """A statement file that is in its place."""

    path: Path
    statement: Statement
    fact: StatementIssued
    again: bool  # nothing had changed since it was first issued


def month_statement(
    ledger: Ledger, roster: Roster, tariff: Tariff, site: SiteCard, month: str, upto: int | None = None
) -> Statement:
    """Compute a month from the ledger (facts up to seq `upto`), writing nothing.

    Raises LedgerError (also for a month whose details were redacted), ConfigError when the tariff misses a price.
    """
    zone = ZoneInfo(site.timezone)
    _refuse_redacted(ledger, month)
    months = Months(month, absences_until(ledger, month, zone, upto))
    changes: list[tuple[date, MemberId, FormulaId]] = []
    for written, entry in in_time(ledger.entries(*COUNTED, RosterChanged, since=0), zone):
        if upto is not None and entry.seq > upto:
            break
        if not isinstance(entry.fact, RosterChanged):
            months.add(entry.fact, entry.key, written)
        elif entry.fact.formula:
            changes.append((written.date(), MemberId(entry.fact.subject), entry.fact.formula))
    if months.orphans:
        raise LedgerError(f"{month} corrects what was redacted: the statement issued then is the one that counts")

    def priced(of: str, used: list[Usage]) -> Statement:
        first = date.fromisoformat(f"{of}-01")
        last = first.replace(day=calendar.monthrange(first.year, first.month)[1])
        return statement(of, used, tariff, held_in(first, last, roster.members.values(), changes))

    try:
        own = priced(month, months.used())
        corrections = []
        for earlier, (before, after) in months.corrected().items():
            _refuse_redacted(ledger, earlier)
            corrections.append(regularise(priced(earlier, before), priced(earlier, after)))
    except UnpricedError as error:
        raise ConfigError(tuple(f"tariff: {fault}" for fault in error.faults)) from error
    return merge(own, *corrections)


def absences_until(ledger: Ledger, month: str, zone: ZoneInfo, upto: int | None = None) -> Absences:
    """Return what hid who came and went, as far as it was written down by the end of a month. Raises LedgerError."""
    entries = in_time(ledger.entries(ServiceAbsent), zone)
    known = [e.fact for at, e in entries if f"{at:%Y-%m}" <= month and (upto is None or e.seq <= upto)]
    return Absences().after(known)


def issue_statement(
    ledger: Ledger,
    roster: Roster,
    tariff: Tariff,
    site: SiteCard,
    month: str,
    form: str,
    folder: Path,
    clock: Clock,
) -> Issued:
    """Write `releve_SITE_MONTH.csv|json` aside, rename it into `folder`, and write StatementIssued down. Blocks.

    Raises LedgerError, ConfigError, OSError.
    """
    head = ledger.head()
    made = month_statement(ledger, roster, tariff, site, month, upto=head.seq)
    earlier = _earlier(ledger, month, form)
    again = earlier is not None and _digest(render(made, form, site.code, earlier.head)) == earlier.sha256
    anchor = earlier.head if again and earlier is not None else str(head)
    content = render(made, form, site.code, anchor)
    fact = StatementIssued(month, form, _digest(content), anchor)
    path = folder / f"releve_{site.code}_{month}.{form}"
    _put(path, content)
    if not again:
        ledger.append_now(fact, clock.now(), f"{month}:{form}:{anchor}")
    return Issued(path, made, fact, again)


def render(made: Statement, form: str, site: str, anchor: str = "") -> bytes:
    """Return the file's bytes; `form` is "csv" or "json". Pure: the same values give the same bytes."""
    return _csv(made, site, anchor) if form == "csv" else _json(made, site, anchor)


def _csv(made: Statement, site: str, anchor: str) -> bytes:
    text = io.StringIO(newline="")
    rows = csv.writer(text, delimiter=";", lineterminator="\r\n")
    rows.writerow(HEADERS)
    for line in made.lines:
        right = f"Régularisation {line.of} : " if line.of else "Régularisation : "
        article = f"{right if line.correction else ''}{ARTICLES[line.item]}"
        rows.writerow(
            (
                made.month,
                guarded(site),
                guarded(line.member) or "(site)",
                guarded(line.formula),
                article,
                f"{line.since:%d/%m/%Y}" if line.since else "",
                line.quantity,
                line.free,
                line.quantity - line.free,
                UNITS[line.unit],
                _comma(line.unit_price),
                line.per,
                _comma(line.amount),
                made.currency,
                line.uncertain or "",
                anchor,
            )
        )
    return text.getvalue().encode("utf-8-sig")


def _json(made: Statement, site: str, anchor: str) -> bytes:
    lines = [
        {
            "line_id": _line_id(line, site, made.month),
            "member": line.member,
            "item": line.item.value,
            "formula": line.formula,
            "tariff_since": line.since.isoformat() if line.since else None,
            "quantity": line.quantity,
            "free": line.free,
            "unit": line.unit,
            "unit_price": None if line.unit_price is None else str(line.unit_price),
            "per": line.per,
            "amount": str(line.amount),
            "uncertain": line.uncertain,
            "correction": line.correction,
            **({"corrects": line.of} if line.of else {}),
        }
        for line in made.lines
    ]
    whole = {
        "schema": SCHEMA,
        "site": site,
        "month": made.month,
        "currency": made.currency,
        "ledger_head": anchor,
        "total": str(made.total),
        "lines": lines,
    }
    return (canonical(whole) + "\n").encode()


def _line_id(line: Line, site: str, month: str) -> str:
    """Name a line so that an importer meets it again under the same name."""
    parts = [site, month, line.member or "site", line.item.value, line.formula or "none"]
    parts += [line.since.isoformat() if line.since else "unpriced"]
    return ":".join([*parts, *(["correction"] if line.correction else []), *([line.of] if line.of else [])])


def guarded(cell: str) -> str:
    """Keep a spreadsheet from running a text as a formula."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def _comma(amount: Decimal | None) -> str:
    return "" if amount is None else f"{amount:f}".replace(".", ",")


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()


def in_time(entries: Iterator[Entry], zone: ZoneInfo) -> Iterator[tuple[datetime, Entry]]:
    """Give each entry the local time it was written down, as far as its clock can be believed."""
    newest: datetime | None = None
    for entry in entries:
        at = believed(entry.at.utc, entry.at.trust, newest)
        if entry.at.trust is not Trust.UNKNOWN:
            newest = at
        yield at.astimezone(zone), entry


def _refuse_redacted(ledger: Ledger, month: str) -> None:
    """Raise LedgerError for a month of which only day sums are left."""
    kinds = {name for kind in COUNTED for name in with_successors(kind)}
    for entry in ledger.entries(DayCounted):
        assert isinstance(entry.fact, DayCounted)
        if entry.fact.of in kinds and f"{entry.fact.day:%Y-%m}" == month:
            raise LedgerError(f"the details of {month} were redacted: {_what_counts(ledger, month)}")


def _what_counts(ledger: Ledger, month: str) -> str:
    """Say which statement holds for a month that cannot be counted again; never one that nobody issued."""
    forms = [form for form in ("csv", "json") if _earlier(ledger, month, form) is not None]
    if not forms:
        return "no statement was issued while they were kept, and only sums by day are left"
    return f"the statement issued then ({', '.join(forms)}) is the one that counts"


def _earlier(ledger: Ledger, month: str, form: str) -> StatementIssued | None:
    """Return the latest statement issued for this month in this form."""
    found: StatementIssued | None = None
    for entry in ledger.entries(StatementIssued):
        assert isinstance(entry.fact, StatementIssued)
        if (entry.fact.month, entry.fact.format) == (month, form):
            found = entry.fact
    return found


def _put(path: Path, content: bytes) -> None:
    """Write a file aside, bring it to the disk, and rename it into place. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    with aside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
