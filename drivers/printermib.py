"""Reads what an SNMP agent said of a printer: the Printer-MIB (RFC 3805) and the vendors' counters, which are data.

The one idea: a vendor is a TOML file in `drivers/meters`, never code. It says where the table stands, which rows make
which counter, where that was found, and whether anybody tried it on the real machine. What a device does not say, or
says as something else than a count, is None: never 0 and never a guess. Pure: rows in, values out.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files

from drivers.contract import METERS, Counters, LifeCount, Meters, Supply, Tray

Rows = Mapping[str, int | str]  # dotted OID -> value; octets as text

SYS_OBJECT = "1.3.6.1.2.1.1.2.0"
SYS_DESCR = "1.3.6.1.2.1.1.1.0"
MIB = "1.3.6.1.2.1.43"
SERIAL = f"{MIB}.5.1.1.17.1"
LIFE = f"{MIB}.10.2.1.4.1.1"  # prtMarkerLifeCount of the first marker
UNIT = f"{MIB}.10.2.1.3.1.1"  # prtMarkerCounterUnit
IMPRESSIONS, SHEETS = 7, 8  # PrtMarkerCounterUnitTC
SUPPLIES, INPUTS, COLORANTS, ALERTS = f"{MIB}.11.1.1", f"{MIB}.8.2.1", f"{MIB}.12.1.1.4", f"{MIB}.18.1.1"
COUNTER32 = 2**32

# PrtAlertCodeTC (RFC 3805 section 6) as IPP keywords (PWG 5100.9 section 5.2.2); what matters to people
_ALERTS = {
    3: "cover-open", 5: "interlock-open", 8: "media-jam", 9: "subunit-missing", 10: "subunit-life-almost-over",
    11: "subunit-life-over", 12: "subunit-almost-empty", 13: "subunit-empty", 14: "subunit-almost-full",
    15: "subunit-full", 16: "subunit-near-limit", 17: "subunit-at-limit", 18: "subunit-opened",
    21: "subunit-turned-off", 22: "subunit-offline", 24: "subunit-warming-up", 29: "subunit-recoverable-failure",
    30: "subunit-unrecoverable-failure", 34: "subunit-memory-exhausted", 36: "subunit-over-temperature",
    501: "door-open", 504: "power-down", 801: "input-tray-missing", 802: "input-media-size-change",
    807: "media-low", 808: "media-empty", 901: "output-tray-missing", 902: "output-area-almost-full",
    903: "output-area-full", 1001: "fuser-under-temp", 1002: "fuser-over-temp",
    1005: "marker-adjusting-print-quality", 1101: "toner-empty", 1102: "marker-supply-empty", 1104: "toner-low",
    1105: "marker-supply-low", 1107: "marker-waste-almost-full", 1109: "marker-waste-full",
}  # fmt: skip
_SEVERITY = {3: "-error", 4: "-warning", 5: "-warning"}  # PrtAlertSeverityLevelTC


@dataclass(frozen=True, slots=True)
class Vendor:
    """One data file."""

    key: str  # "canon": the file's name
    name: str
    enterprise: str  # what sysObjectID begins with
    tried: str  # "untried", or "tried: MODEL"
    source: str
    base: str  # numbered rows hang from here
    names: str  # or: a column of names
    values: str  # and one of values, with the same indices
    counters: Mapping[str, tuple[str, ...]]

    @property
    def roots(self) -> tuple[str, ...]:
        """Return the subtrees to be walked for it."""
        return tuple(filter(None, (self.base, self.names, self.values)))


def vendors() -> dict[str, Vendor]:
    """Return every data file, by its name. A file that names a counter we do not know is a bug."""
    found = {}
    for file in sorted((files("drivers") / "meters").iterdir(), key=lambda one: one.name):
        if file.name.endswith(".toml"):
            key = file.name.removesuffix(".toml")
            found[key] = _vendor(key, tomllib.loads(file.read_text(encoding="utf-8")))
    return found


def _vendor(key: str, raw: Mapping[str, object]) -> Vendor:
    named, numbered, counters = raw.get("named", {}), raw.get("numbered", {}), raw["counters"]
    assert isinstance(named, dict) and isinstance(numbered, dict) and isinstance(counters, dict)  # noqa: PT018
    assert set(counters) <= set(METERS), f"{key}.toml: {set(counters) - set(METERS)}"
    return Vendor(
        key,
        str(raw["vendor"]),
        str(raw["enterprise"]),
        str(raw["tried"]),
        str(raw["source"]),
        str(numbered.get("base", "")),
        str(named.get("names", "")),
        str(named.get("values", "")),
        {name: tuple(rows) for name, rows in counters.items()},
    )


def vendor_of(rows: Rows, known: Mapping[str, Vendor]) -> Vendor:
    """Return whose machine this is, by sysObjectID; the standard MIB alone for a vendor we have no file of."""
    system = f"{rows.get(SYS_OBJECT, '')}."
    for one in known.values():
        if one.enterprise and system.startswith(f"{one.enterprise}."):
            return one
    return known["standard"]


def read_meters(rows: Rows, vendor: Vendor) -> Meters:
    """Put an agent's rows together."""
    told = dict(_counted(rows, vendor))
    life = _number(rows, LIFE)
    if _number(rows, UNIT) == SHEETS:
        life = None  # sheets are not sides: a duplex sheet would count half
    total = told.get("total", life)
    split = [told[key] for key in ("print-mono", "print-colour", "copy-mono", "copy-colour") if key in told]
    counters = Counters(split[0], split[1], split[2], split[3], sheets=0) if len(split) == 4 else None
    shown = {**({} if total is None else {"total": total}), **told}
    named = rows.get(SERIAL, "")
    serial = "".join(sign for sign in named if sign.isprintable()).strip() if isinstance(named, str) else ""
    return Meters(
        serial,
        counters,
        LifeCount(total, told.get("total-colour"), tuple(sorted(shown.items()))),
        tuple(_supplies(rows)),
        tuple(_trays(rows)),
        tuple(_reasons(rows)),
    )


def _counted(rows: Rows, vendor: Vendor) -> Iterator[tuple[str, int]]:
    """Yield each counter of which every row is there; one whose rows may all be missing is 0 beside one that is."""
    by_name = dict(_by_name(rows, vendor))

    def count_of(part: str) -> int | None:
        row = part.lstrip("-?")
        return _number(rows, by_name.get(row, "") if vendor.names else f"{vendor.base}.{row}".lstrip("."))

    told = {name: [(part, count_of(part)) for part in parts] for name, parts in vendor.counters.items()}
    if all(count is None for parts in told.values() for _, count in parts):
        return
    for name, parts in told.items():
        if all(count is not None or part.startswith("?") for part, count in parts):
            total = sum(-(count or 0) if part.startswith("-") else count or 0 for part, count in parts)
            if total >= 0:
                yield name, total


def _by_name(rows: Rows, vendor: Vendor) -> Iterator[tuple[str, str]]:
    for oid, value in rows.items():
        if vendor.names and oid.startswith(f"{vendor.names}.") and isinstance(value, str):
            yield value.strip(), vendor.values + oid.removeprefix(vendor.names)


def _number(rows: Rows, oid: str) -> int | None:
    value = rows.get(oid)
    return value if isinstance(value, int) and 0 <= value < COUNTER32 else None


def _indices(rows: Rows, column: str) -> Iterator[str]:
    return (oid.removeprefix(f"{column}.") for oid in rows if oid.startswith(f"{column}."))


def _share(rows: Rows, level_oid: str, full_oid: str) -> float | None:
    """Return level / capacity; -1 other, -2 unknown, -3 at least something: None (RFC 3805 section 6)."""
    level, full = _number(rows, level_oid), _number(rows, full_oid)
    return None if level is None or not full else min(1.0, level / full)


def _supplies(rows: Rows) -> Iterator[Supply]:
    for index in _indices(rows, f"{SUPPLIES}.6"):
        marker = index.split(".")[0]
        colorant = rows.get(f"{SUPPLIES}.3.{index}")
        colour = str(rows.get(f"{COLORANTS}.{marker}.{colorant}", "")).strip("\x00 ").lower()
        share = _share(rows, f"{SUPPLIES}.9.{index}", f"{SUPPLIES}.8.{index}")
        yield Supply(str(rows[f"{SUPPLIES}.6.{index}"]).strip("\x00 "), "" if colour == "none" else colour, share)


def _trays(rows: Rows) -> Iterator[Tray]:
    for index in _indices(rows, f"{INPUTS}.13"):
        name = str(rows[f"{INPUTS}.13.{index}"]).strip("\x00 ")
        media = str(rows.get(f"{INPUTS}.12.{index}", "")).strip("\x00 ")
        share = _share(rows, f"{INPUTS}.10.{index}", f"{INPUTS}.9.{index}")
        yield Tray(name, media, share, empty=rows.get(f"{INPUTS}.10.{index}") == 0)


def _reasons(rows: Rows) -> Iterator[str]:
    for index in _indices(rows, f"{ALERTS}.7"):
        code, severity = rows.get(f"{ALERTS}.7.{index}"), rows.get(f"{ALERTS}.2.{index}")
        keyword = _ALERTS.get(code) if isinstance(code, int) else None
        if keyword is not None:
            yield keyword + (_SEVERITY.get(severity, "-report") if isinstance(severity, int) else "-report")
