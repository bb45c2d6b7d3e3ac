"""The lessor's contract in words and as a file: for the page, the terminal and whoever pays the invoice. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import asdict
from decimal import Decimal

from agent.config import PrinterConfig
from agent.rules.contract import Bill, ContractLine, Pack, Terms
from agent.rules.stretches import Gap, Laid, Quarter
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


def quarter_sentences(t: Words, quarter: Quarter, laid: Laid, cost: Bill | None) -> tuple[str, ...]:
    """Say a quarter: of each machine where there was more than one, what nobody read, and the lines of the contract."""
    first, last = quarter.between
    said = [t("counters.between", first=t.day_of(first), last=t.day_of(last))]
    for one, lines in laid.machines:
        name, days = _machine(t, one.serial), {"first": t.day_of(one.start.day), "last": t.day_of(one.end.day)}
        said.append(t("counters.machine", name=name, **days))
        said += [t("counters.of", name=name, says=contract_sentence(t, line, alone=True)) for line in lines]
    said += [gap_sentence(t, gap) for gap in quarter.gaps]
    said += [contract_sentence(t, line) for line in laid.whole]
    return (*said, *(() if cost is None else (bill_sentence(t, cost),)))


def gap_sentence(t: Words, gap: Gap) -> str:
    """Say what nobody read between two counts."""
    days = {"last": t.day_of(gap.last.day), "first": t.day_of(gap.first.day)}
    counts = {"mono": gap.mono, "colour": gap.colour}
    if gap.reset:
        return t("counters.gap_reset", **days, **counts)
    names = {"old": _machine(t, gap.last.serial), "new": _machine(t, gap.first.serial)}
    return t("counters.gap_swapped", **names, **days, **counts)


def _machine(t: Words, serial: str) -> str:
    return serial or t("counters.unnamed")


def contract_sentence(t: Words, line: ContractLine, *, alone: bool = False) -> str:
    """Say one line of a contract. `alone`: of one machine of several, which has no invoice of its own."""
    what = t(f"counters.{line.what}")
    if line.verdict == "untold":
        return t("counters.untold", what=what)
    if line.verdict == "rest":
        return t("counters.rest", what=what, ours=line.ours)
    if line.start is None or line.end is None:
        read = t("counters.least" if line.least else "counters.summed", what=what, ours=line.ours)
    else:
        read = t("counters.read", what=what, ours=line.ours, start=line.start, end=line.end)
    sides = t("counters.sides", sides=line.sides) if line.sides is not None and line.sides != line.ours else ""
    blind = t("counters.blind") if line.blind else ""
    pack = t("counters.package", included=line.included, beyond=line.beyond) if line.included else ""
    cost = ""
    if line.due:
        assert line.price is not None
        cost = t("counters.cost", n=line.beyond, price=_price(line.price, t), due=money(line.due, EURO, t))
    if alone:
        return " ".join(filter(None, (read, sides, blind)))
    more = t(f"counters.invoice_{line.verdict}", invoiced=line.invoiced or 0, n=abs(line.difference or 0))
    dearer = t("counters.dearer", amount=_signed(line.dearer, t)) if line.dearer else ""
    return " ".join(filter(None, (read, sides, blind, pack, cost, more, dearer)))


def bill_sentence(t: Words, bill: Bill) -> str:
    """Say what a quarter costs, and what is asked for it."""
    if bill.ours is None:
        return t("counters.bill_unpriced")
    package = t("counters.bill_package", package=money(bill.package, EURO, t)) if bill.package else ""
    ours = t("counters.bill_least" if bill.least else "counters.bill", ours=money(bill.ours, EURO, t))
    if bill.invoiced is None or bill.difference is None:
        return " ".join(filter(None, (ours, package)))
    more = "gap" if bill.least else "more"
    verdict = "same" if not bill.difference else more if bill.difference > 0 else "less"
    asked = t(
        f"counters.bill_{verdict}",
        invoiced=money(bill.invoiced, EURO, t),
        amount=money(abs(bill.difference), EURO, t),
    )
    return " ".join(filter(None, (ours, package, asked)))


def contract_csv(told: Iterable[tuple[str, Quarter | None, Laid, Bill | None]]) -> str:
    """Return the quarter of several devices as a file: one row a line, then the package and the whole.

    Before them the lines of each machine, where there was more than one, and what nobody read between two.
    """
    text = io.StringIO(newline="")
    rows = csv.writer(text, delimiter=";", lineterminator="\r\n")
    rows.writerow(HEADERS)
    for name, quarter, laid, bill in told:
        for machine, lines in laid.machines:
            called = guarded(f"{name} ({machine.serial})" if machine.serial else name)
            rows.writerows((called, LINES[one.what], *_counted(one), *("",) * 7) for one in lines)
        for gap in () if quarter is None else quarter.gaps:
            ends = (gap.last.serial or "?", gap.first.serial or "?")
            rows.writerow((guarded(name), f"non lu entre {ends[0]} et {ends[1]}", *("",) * 12))
        for one in laid.whole:
            shown = (*_counted(one), one.included, one.beyond if one.told else "")
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


def contract_json(name: str, found: Quarter | None, laid: Laid, cost: Bill | None) -> dict[str, object]:
    """Return the quarter of a device for a program."""
    whole = None if cost is None else {**asdict(cost), "difference": cost.difference}
    told = {"printer": name, "between": found and found.between, "lines": _lines_json(laid.whole), "bill": whole}
    machines = [
        {"serial": one.serial, "between": (one.start.day, one.end.day), "lines": _lines_json(lines)}
        for one, lines in laid.machines
    ]
    gaps = [
        {
            "why": "reset" if gap.reset else "swapped",
            "old": {"serial": gap.last.serial, "last_read": gap.last.day, "more": None},  # nobody knows
            "new": {"serial": gap.first.serial, "first_read": gap.first.day, "mono": gap.mono, "colour": gap.colour},
        }
        for gap in (found.gaps if found else ())
    ]
    return {**told, "machines": machines, "gaps": gaps}


def _lines_json(lines: Iterable[ContractLine]) -> list[dict[str, object]]:
    return [
        {**asdict(line), "beyond": line.beyond, "difference": line.difference, "due": line.due, "dearer": line.dearer}
        for line in lines
    ]


def _counted(line: ContractLine) -> tuple[int | str, ...]:
    counted = (_or(line.start), _or(line.end), _or(line.sides), _or(line.large), line.ours)
    return counted if line.told else ("",) * 5


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
