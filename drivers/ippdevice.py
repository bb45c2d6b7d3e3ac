"""Reads what a printing device says of itself over IPP: state, serial, counters, supplies, trays.

RFC 8011 section 5.4, PWG 5100.7 section 6.7 (the split by colour), PWG 5100.13 (supplies, trays), PWG 5100.22 section
7.7 (counters). What a device does not say is None, never a guess. Pure: attributes in, values out.
"""

from __future__ import annotations

import itertools
from contextlib import suppress

from drivers.contract import Counters, DeviceState, DriverError, LargeSides, LifeCount, Supply, Tray
from drivers.ipp import Attributes

_DIGITS = 11  # of an Integer32 and its sign
_MOST = 64  # reasons, supplies or trays of one device: what is beyond is left out
_SIGNS = 128  # of a serial number: what is beyond, or cannot be printed, is left out
_STATES = dict(zip(range(3, 6), DeviceState, strict=True))  # RFC 8011 section 5.4.11


def state_of(printer: Attributes) -> DeviceState:
    """Return printer-state. Raises DriverError where there is none."""
    state = _STATES.get(printer.integer("printer-state") or 0)
    if state is None:
        raise DriverError("the device does not say its printer-state")
    return state


def reasons_of(attributes: Attributes, name: str) -> tuple[str, ...]:
    """Return the keywords that say why, as far as they can be printed; "none" is none."""
    return tuple(_shown(reason) for reason in attributes.texts(name) if reason != "none")[:_MOST]


def _shown(text: str) -> str:
    return "".join(sign for sign in text[:_SIGNS] if sign.isprintable())


def serial_of(printer: Attributes) -> str:
    """Return what tells this machine from another of its kind: the IEEE 1284 id's serial number, else the UUID."""
    pairs = (field.partition(":") for field in (printer.text("printer-device-id") or "").split(";"))
    device_id = {key.strip().upper(): value.strip() for key, _, value in pairs}
    known = (device_id.get(key, "") for key in ("SN", "SERN", "SERIALNUMBER"))
    told = next(filter(None, known), "") or (printer.text("printer-uuid") or "").removeprefix("urn:uuid:")
    return _shown(told)


def media_of(record: Attributes) -> str:
    """Return the PWG 5101.1 name of the paper: as it stands, else as the size in media-col spells it."""
    named = record.text("media")
    asked = record.collection("media-col")
    if named or asked is None:
        return named or ""
    size = asked.collection("media-size")
    wide, high = (size.integer("x-dimension"), size.integer("y-dimension")) if size else (None, None)
    told = wide and high and min(wide, high) > 0  # in 1/100 mm (PWG 5100.7)
    spelled = f"custom_{(wide or 0) / 100:g}x{(high or 0) / 100:g}mm" if told else ""
    return asked.text("media-size-name") or spelled


def count_of(attributes: Attributes, name: str) -> int | None:
    """Return a count; None where there is none, or a negative one."""
    number = attributes.integer(name)
    return number if number is not None and number >= 0 else None


def by_colour(split: Attributes | None, total: int | None) -> tuple[int, int] | None:
    """Return (mono, colour) sides of a `-col` collection, blank ones left out; None if they do not add up.

    Devices differ in whether the two-sided members are part of the plain ones, and in whether blank sides are part of
    the total: the reading that adds up to the device's own total is taken.
    """
    if split is None or not split.attributes:
        return None

    said = {one.name: count_of(split, one.name) or 0 for one in split.attributes}

    def summed(kinds: tuple[str, ...], endings: tuple[str, ...]) -> int:
        return sum(said.get(kind + ending, 0) for kind in kinds for ending in endings)

    for endings in (("",), ("", "-two-sided")):
        mono, blank = summed(("monochrome",), endings), summed(("blank",), endings)
        colour = summed(("full-color", "highlight-color", "highlight-colour"), endings)
        if total is None or total in {mono + colour, mono + colour + blank}:
            return mono, colour
    return None


def counters_of(printer: Attributes) -> Counters | None:
    """Return the life counters, print apart from copy; None where the device does not tell them apart."""
    total = count_of(printer, "printer-impressions-completed")
    life = by_colour(printer.collection("printer-impressions-completed-col"), total)
    copies = by_colour(printer.collection("gardien-copy-impressions-completed-col"), None)
    sheets = count_of(printer, "printer-media-sheets-completed")
    if life is None or copies is None or sheets is None or life[0] < copies[0] or life[1] < copies[1]:
        return None  # more copies than sides in all: one of the two is wrong, and nobody knows which
    return Counters(life[0] - copies[0], life[1] - copies[1], copies[0], copies[1], sheets, _large(printer))


def _large(printer: Attributes) -> LargeSides | None:
    """Return the A3 sides, where a device like our copier tells them; no IPP standard does."""
    prints = by_colour(printer.collection("gardien-large-impressions-completed-col"), None)
    copies = by_colour(printer.collection("gardien-large-copy-impressions-completed-col"), None)
    return LargeSides(*prints, *copies) if prints is not None and copies is not None else None


def life_of(printer: Attributes) -> LifeCount | None:
    """Return all that the device's own total says."""
    total = count_of(printer, "printer-impressions-completed")
    split = by_colour(printer.collection("printer-impressions-completed-col"), total)
    return None if total is None else LifeCount(total, None if split is None else split[1], (("total", total),))


def trays_of(printer: Attributes) -> tuple[Tray, ...]:
    """Read printer-input-tray (PWG 5100.13 section 5.4.2), in the order of media-ready where both have as many."""
    spelled = [octets for octets in printer.contents("printer-input-tray") if isinstance(octets, bytes)][:_MOST]
    media = printer.texts("media-ready")
    named = media if len(media) == len(spelled) else ("",) * len(spelled)
    return tuple(_tray(octets, name) for octets, name in zip(spelled, named, strict=True))


def _tray(octets: bytes, media: str) -> Tray:
    fields = _fields(octets)
    level = _number(fields.get("level", ""))
    return Tray(fields.get("name", ""), media, _share(level, _number(fields.get("maxcapacity", ""))), empty=level == 0)


def _fields(octets: bytes) -> dict[str, str]:
    pairs = (field.partition("=") for field in octets.decode("utf-8", errors="replace").split(";"))
    return {key.strip(): value.strip() for key, _, value in pairs}


def supplies_of(printer: Attributes) -> tuple[Supply, ...]:
    """Read printer-supply (PWG 5100.13 section 5.6), else the older marker-* attributes."""
    spelled = [octets for octets in printer.contents("printer-supply") if isinstance(octets, bytes)][:_MOST]
    names = printer.texts("printer-supply-description")[:_MOST]
    if spelled:
        return tuple(_supply(octets, name) for octets, name in itertools.zip_longest(spelled, names) if octets)
    levels = [level for level in printer.contents("marker-levels") if isinstance(level, int)][:_MOST]
    found = zip(printer.texts("marker-names"), printer.texts("marker-colors"), levels, strict=False)
    return tuple(Supply(name, _colour(colour.lower()), _share(level, 100)) for name, colour, level in found)


def _supply(octets: bytes, name: str | None) -> Supply:
    fields = _fields(octets)
    full = 100 if fields.get("unit") == "percent" else _number(fields.get("maxcapacity", ""))
    level = _share(_number(fields.get("level", "")), full)
    return Supply(name or fields.get("type", ""), _colour(fields.get("colorantname", "")), level)


def _colour(said: str) -> str:
    paints = {"#000000": "black", "#00ffff": "cyan", "#ff00ff": "magenta", "#ffff00": "yellow"}
    return "" if said in {"unknown", "none"} else paints.get(said, said)


def _number(digits: str) -> int:
    if len(digits) <= _DIGITS:
        with suppress(ValueError):
            return int(digits)
    return -2  # unknown (RFC 3805 prtMarkerSuppliesLevel)


def _share(level: int, full: int) -> float | None:
    return min(1.0, level / full) if level >= 0 and full > 0 else None
