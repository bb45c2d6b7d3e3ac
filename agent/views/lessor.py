"""The lessor's contract in words and as a file: for the page, the terminal and whoever pays the invoice. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from decimal import Decimal

from agent.config import PrinterConfig
from agent.rules.contract import Bill, ContractLine, Pack, Terms
from agent.views.exports import guarded
from agent.views.words import Words, money

EURO = "EUR"
LINES = {
    "mono": "noir et blanc",
    "colour": "couleur",
    "print-mono": "impressions noir et blanc",
    "print-colour": "impressions couleur",
    "copy-mono": "copies noir et blanc",
    "copy-colour": "copies couleur",
    "mono-large": "A3 noir et blanc",
    "colour-large": "A3 couleur",
    "fax": "fax",
    "scan": "numérisations",
    "mono-rest": "autres faces noir et blanc",
    "colour-rest": "autres faces couleur",
}
HEADERS = (
    *("Imprimante", "Ligne", "Compteur au début", "Compteur à la fin", "Faces", "Dont A3", "Clics", "Forfait"),
    *("Au-delà", "Prix du clic", "À payer HT", "Clics facturés", "Écart en clics", "Écart HT"),
)


def terms_of(config: PrinterConfig) -> Terms:
    """Return the terms of a device's contract; without one, a click a side and nothing included."""
    said = config.contract
    if said is None:
        return Terms(a3_clicks=config.a3_clicks, device_a3_clicks=config.a3_clicks)
    return Terms(
        said.mono_included,
        said.colour_included,
        said.a3_clicks,
        config.a3_clicks,
        said.package_price,
        said.mono_price,
        said.colour_price,
        {name: Pack(one.included, one.price) for name, one in said.functions.items()},
    )


def contract_sentence(t: Words, line: ContractLine) -> str:
    """Say one line of a contract."""
    what = t(f"counters.{line.what}")
    if line.verdict == "untold":
        return t("counters.untold", what=what)
    if line.verdict == "rest":
        return t("counters.rest", what=what, ours=line.ours)
    read = t("counters.read", what=what, ours=line.ours, start=line.start, end=line.end)
    sides = t("counters.sides", sides=line.sides) if line.sides is not None and line.sides != line.ours else ""
    blind = t("counters.blind") if line.blind else ""
    pack = t("counters.package", included=line.included, beyond=line.beyond) if line.included else ""
    cost = ""
    if line.due:
        assert line.price is not None
        cost = t("counters.cost", n=line.beyond, price=_price(line.price, t), due=money(line.due, EURO, t))
    more = t(f"counters.invoice_{line.verdict}", invoiced=line.invoiced or 0, n=abs(line.difference or 0))
    dearer = t("counters.dearer", amount=_signed(line.dearer, t)) if line.dearer else ""
    return " ".join(filter(None, (read, sides, blind, pack, cost, more, dearer)))


def bill_sentence(t: Words, bill: Bill) -> str:
    """Say what a quarter costs, and what is asked for it."""
    if bill.ours is None:
        return t("counters.bill_unpriced")
    package = t("counters.bill_package", package=money(bill.package, EURO, t)) if bill.package else ""
    ours = t("counters.bill", ours=money(bill.ours, EURO, t))
    if bill.invoiced is None or bill.difference is None:
        return " ".join(filter(None, (ours, package)))
    verdict = "same" if not bill.difference else "more" if bill.difference > 0 else "less"
    asked = t(
        f"counters.bill_{verdict}",
        invoiced=money(bill.invoiced, EURO, t),
        amount=money(abs(bill.difference), EURO, t),
    )
    return " ".join(filter(None, (ours, package, asked)))


def contract_csv(told: Iterable[tuple[str, tuple[ContractLine, ...], Bill | None]]) -> str:
    """Return the quarter of several devices as a file: one row a line, then the package and the whole."""
    text = io.StringIO(newline="")
    rows = csv.writer(text, delimiter=";", lineterminator="\r\n")
    rows.writerow(HEADERS)
    for name, lines, bill in told:
        for one in lines:
            counted = (one.start, one.end, _or(one.sides), _or(one.large), one.ours)
            shown = (*(counted if one.told else ("",) * 5), one.included, one.beyond if one.told else "")
            asked = (_or(one.invoiced), _or(one.difference), _comma(one.dearer))
            rows.writerow((guarded(name), LINES[one.what], *shown, _comma(one.price), _comma(one.due), *asked))
        if bill is not None:
            nothing = ("",) * 8
            rows.writerow((guarded(name), "forfait", *nothing, _comma(bill.package), "", "", ""))
            rows.writerow(
                (
                    guarded(name),
                    "total HT",
                    *nothing,
                    _comma(bill.ours),
                    _comma(bill.invoiced),
                    "",
                    _comma(bill.difference),
                )
            )
    return text.getvalue()


def _or(count: int | None) -> int | str:
    return "" if count is None else count


def _comma(amount: Decimal | None) -> str:
    return "" if amount is None else f"{amount:f}".replace(".", ",")


def _price(price: Decimal, t: Words) -> str:
    """Write a price of a click, which has more decimals than a cent."""
    written = f"{price:f}"
    return f"{written.replace('.', ',')}\u00a0€" if t.language == "fr" else f"€{written}"


def _signed(amount: Decimal, t: Words) -> str:
    sign = "-" if amount < 0 else "+"
    return f"{sign}{money(abs(amount), EURO, t)}"
