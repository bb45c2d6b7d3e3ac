"""A month of the links as a file for the provider: what was out, to the second, and what share that leaves.

The one idea: each row is one state of a link, and the sums below are the sums of the rows, so that a provider can add
them up. What nobody measured, and what was of our own doing, stand in the file and count for nobody.

CSV as in `views.exports` (UTF-8 with BOM, `;`, decimal comma, CRLF). Columns:
- Mois, Site, Lien: the month, the site's code, the link's label.
- Quoi: "coupure", "câble" (ours), "redémarrage" (of the box, by our own people), "non mesuré"; "pas encore en service":
  before it was first measured, and no gap; "non repris": what is
  before Fin is not kept at hand (the command line has it all); "débit", one measured rate; then one row each of "total
  mesuré", "total coupé", "total non mesuré", "total câble", "total redémarrage" and "disponibilité", each once more
  with "aux heures d'ouverture".
- Début, Fin: ISO 8601 with the offset of the site's wall clock; of a state that lasts, or that was cut at the edge of
  the month or of what is known, the edge.
- Secondes: how long, whole seconds: Fin less Début.
- Part: of "disponibilité": percent of the measured time; of "débit": of the contract. Four digits, never rounded up.
- Cause: `rules.linkfacts.Cause`. Compte: "oui" if it is in the share.
- Tolérance: of an outage, seconds by which it may be too long: one round of probes at each end.
- Signalé, Dossier, Rétabli après: when it was reported, under which number, and how many seconds later it was over;
  on the first row of an outage.
- Débit, Contrat: Mbit/s.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from agent.rules.linkfacts import Cause, Health
from agent.rules.linkmonth import LinkMonth, Row
from agent.rules.outages import Stretch, Sums
from agent.views.exports import guarded

HEADERS = ("Mois", "Site", "Lien", "Quoi", "Début", "Fin", "Secondes", "Part", "Cause", "Compte")
MORE = ("Tolérance", "Signalé", "Dossier", "Rétabli après", "Débit", "Contrat")


@dataclass(frozen=True, slots=True)
class Cells:
    """One row, after month, site and link."""

    what: str
    since: str = ""
    until: str = ""
    seconds: str = ""
    share: str = ""
    cause: str = ""
    counts: str = ""
    tolerance: str = ""
    reported: str = ""
    reference: str = ""
    repaired: str = ""
    rate: str = ""
    contract: str = ""


def days_of(month: str) -> tuple[date, date]:
    """Return [first day, day after the last) of "2026-11". Raises ValueError."""
    first = date.fromisoformat(f"{month}-01")
    return first, date(first.year + first.month // 12, first.month % 12 + 1, 1)


def window_of(month: str, zone: tzinfo) -> tuple[datetime, datetime]:
    """Return [first midnight, midnight after the last) of "2026-11". Raises ValueError, OverflowError."""
    since, until = (datetime.combine(day, time(), zone).astimezone(UTC) for day in days_of(month))
    return since, until


def sheet(months: Iterable[tuple[str, LinkMonth]], whose: tuple[str, str], zone: tzinfo) -> bytes:
    """Return the file of the links, each with its label; `whose`: the month, and the code of the site."""
    text = io.StringIO()
    rows = csv.writer(text, delimiter=";", lineterminator="\r\n")
    rows.writerow((*HEADERS, *MORE))
    for label, month in months:
        for row in _rows(month, zone):
            cells = (getattr(row, one.name) for one in fields(row))
            rows.writerow((whose[0], guarded(whose[1]), guarded(label), *cells))
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def _rows(month: LinkMonth, zone: tzinfo) -> Iterable[Cells]:
    states = [(one, row if one is row.parts[0] else None) for row in month.rows for one in row.parts]
    states += [(one, None) for one in month.gaps]
    if month.cut and month.since is not None:
        yield Cells("non repris", until=_iso(month.since, zone), counts="non")
    if month.absent is not None:
        began, ended = month.absent
        seconds = _seconds(ended - began)
        yield Cells("pas encore en service", _iso(began, zone), _iso(ended, zone), seconds, counts="non")
    for one, row in sorted(states, key=lambda pair: pair[0].since):
        yield _state(one, row, month.round_s, zone)
    for at, fact in month.rates.measured:
        share = (fact.down_bit_s or 0) / fact.contract_bit_s if fact.contract_bit_s else None
        yield Cells(
            "débit",
            _iso(at, zone),
            share=percent(share),
            rate=_mbit(fact.down_bit_s or 0),
            contract=_mbit(fact.contract_bit_s) if fact.contract_bit_s else "",
        )
    yield from _sums(month.around, "")
    yield from _sums(month.opened, " aux heures d'ouverture")


def _state(one: Stretch, row: Row | None, round_s: float, zone: tzinfo) -> Cells:
    what = _what(one)
    report = row.report if row else None
    return Cells(
        what,
        _iso(one.since, zone),
        _iso(one.until, zone),
        _seconds(one.until - one.since),
        cause=one.cause,
        counts="oui" if what == "coupure" else "non",
        tolerance=f"{2 * round_s:g}".replace(".", ",") if row and row.outage.lasted else "",
        reported=_iso(report.reported, zone) if report else "",
        reference=guarded(report.reference) if report else "",
        repaired=_seconds(row.repaired) if row and row.repaired else "",
    )


def _what(one: Stretch) -> str:
    if one.health is Health.UNKNOWN:
        return "non mesuré"
    if one.restart:
        return "redémarrage"
    return "câble" if one.cause is Cause.CABLE else "coupure"


def _sums(sums: Sums, when: str) -> Iterable[Cells]:
    for what, span, counts in (
        ("total mesuré", sums.measured, "oui"),
        ("total coupé", sums.out, "oui"),
        ("total non mesuré", sums.gap, "non"),
        ("total câble", sums.ours, "non"),
        ("total redémarrage", sums.restart, "non"),
    ):
        yield Cells(what + when, seconds=_seconds(span), counts=counts)
    yield Cells(f"disponibilité{when}", share=percent(sums.share), counts="oui")


def percent(share: float | None) -> str:
    """Write a share with four digits, never rounded up: "99,8598"; "" for None."""
    return "" if share is None else f"{math.floor(share * 1_000_000) / 10_000:.4f}".replace(".", ",")


def _iso(at: datetime, zone: tzinfo) -> str:
    return at.astimezone(zone).isoformat("T", "seconds")


def _mbit(bit_s: float) -> str:
    return f"{bit_s / 1e6:.2f}".replace(".", ",")


def _seconds(span: timedelta) -> str:
    return str(round(span.total_seconds()))
