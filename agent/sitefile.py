"""The site file: TOML read once into `agent.config.Site`. A change is a restart.

All faults are reported at once, each with its line and its remedy; unknown keys are faults with a "did you mean".
What is faulty is cut out and the rest still judged, so that one wrong type does not hide a wrong address.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cattrs import (
    AttributeValidationNote,
    BaseValidationError,
    ClassValidationError,
    Converter,
    ForbiddenExtraKeysError,
    IterableValidationNote,
)

from agent.config import HOLIDAYS, ConfigError, LinkConfig, Site
from agent.rules import pricelist
from agent.rules.hours import WeeklyHours
from agent.rules.tariff import Tariff

Keys = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong, where it stands, and what to do: French first, English second."""

    path: Keys
    fr: str
    en: str


def read_site(file: Path) -> Site:
    """Read and judge the site file. Raises ConfigError with every fault at once."""
    text, raw = _read_toml(file)
    site, faults = _structure(raw)
    if site is not None:
        faults += list(_judge(site, file.parent))
    if faults:
        raise _config_error(file, text, faults)
    assert site is not None
    return site


def read_tariff(file: Path) -> Tariff:
    """Read and judge a tariff file. Raises ConfigError with every fault at once."""
    text, raw = _read_toml(file)
    try:
        return pricelist.read_tariff(raw)
    except pricelist.TariffFaultyError as error:
        raise _config_error(file, text, [Fault(fault.path, fault.fr, fault.en) for fault in error.faults]) from error


def _read_toml(file: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            (f"{file}: illisible ; vérifiez le chemin et les droits — cannot be read: {error}",)
        ) from error
    try:
        return text, tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError((f"{file}: n'est pas du TOML — is not TOML: {error}",)) from error


def _config_error(file: Path, text: str, faults: list[Fault]) -> ConfigError:
    lines = _line_index(text)
    spoken = {(_line_of(lines, fault.path), ".".join(fault.path), fault.fr, fault.en) for fault in faults}
    return ConfigError(tuple(f"{file}:{line}: {path}: {fr} — {en}" for line, path, fr, en in sorted(spoken)))


# --- structure: types, missing and unknown keys -------------------------------------------------------------


def _converter() -> Converter:
    """Build a converter that turns nothing into anything else: "5" is not 5, and 1 is not true."""
    converter = Converter(forbid_extra_keys=True)

    def strictly(wanted: type, also: tuple[type, ...] = ()) -> None:
        def hook(value: Any, _: type) -> Any:
            if type(value) in (wanted, *also):
                return wanted(value)
            raise TypeError(wanted.__name__)

        converter.register_structure_hook(wanted, hook)

    strictly(str)
    strictly(bool)
    strictly(int)
    strictly(float, also=(int, Decimal))
    return converter


def _structure(raw: dict[str, Any]) -> tuple[Site | None, list[Fault]]:
    """Structure as much as can be: what is faulty is reported, cut out, and the rest still judged."""
    converter, faults = _converter(), list[Fault]()
    for _ in range(20):  # each turn cuts at least one fault out; a file with more levels of faults says so again
        try:
            return converter.structure(raw, Site), faults
        except BaseValidationError as error:
            found = list(_walk(error, ()))
        faults += found
        for fault in found:
            _cut(raw, fault.path)
    return None, faults


_TYPE_WORDS = {
    "str": ("attend du texte entre guillemets", "expects text in quotes"),
    "int": ("attend un nombre entier", "expects a whole number"),
    "float": ("attend un nombre", "expects a number"),
    "bool": ("attend true ou false", "expects true or false"),
}


def _walk(error: BaseException, path: Keys, parent: type | None = None) -> Iterator[Fault]:
    """Turn cattrs' tree of errors into faults with their key paths."""
    if isinstance(error, BaseValidationError):
        cl = error.cl if isinstance(error, ClassValidationError) else parent
        for inner in error.exceptions:
            step: Keys = ()
            for note in getattr(inner, "__notes__", ()):
                if isinstance(note, AttributeValidationNote):
                    step = (note.name,)
                elif isinstance(note, IterableValidationNote) and isinstance(note.index, str):
                    step = (note.index,)
            yield from _walk(inner, path + step, cl)
    elif isinstance(error, ForbiddenExtraKeysError):
        for key in sorted(error.extra_fields):
            near = difflib.get_close_matches(key, [f.name for f in fields(error.cl)], 1, 0.5)
            fr, en = (
                (f" ; vouliez-vous dire « {near[0]} » ?", f"; did you mean '{near[0]}'?")
                if near
                else (" ; ôtez-la", "; remove it")
            )
            yield Fault((*path, key), f"clé inconnue{fr}", f"unknown key{en}")
    elif isinstance(error, KeyError):
        yield Fault(path, "manque ; ajoutez cette clé", "is missing; add this key")
    elif isinstance(error, TypeError) and str(error) in _TYPE_WORDS:
        yield Fault(path, *_TYPE_WORDS[str(error)])
    else:
        yield Fault(path, "n'a pas la forme attendue (table, liste ou valeur)", f"has the wrong shape: {error}")


def _cut(raw: dict[str, Any], path: Keys) -> None:
    """Remove the faulty key; where it is a missing one, its whole table (up to the first named entry)."""
    parents: list[dict[str, Any]] = [raw]
    for step in path[:-1]:
        inner = parents[-1].get(step)
        if not isinstance(inner, dict):
            break
        parents.append(inner)
    if path[len(parents) - 1] in parents[-1]:
        del parents[-1][path[len(parents) - 1]]
    elif len(parents) > 1:
        del parents[-2][path[len(parents) - 2]]
    else:  # a required section is missing at the top: stand in for it so that the rest can be judged
        raw["site"] = {"name": "?", "code": "site"}
    if path[0] == "site" and "site" not in raw:
        raw["site"] = {"name": "?", "code": "site"}


# --- judgement: what types cannot say -----------------------------------------------------------------------


def _judge(site: Site, folder: Path) -> Iterator[Fault]:
    yield from _judge_card(site)
    yield from _judge_hours(site)
    for name, link in site.links.items():
        yield from _judge_link(("links", name), link)
    yield from _judge_printers(site)
    yield from _judge_readers(site)
    yield from _judge_door(site)
    for name, formula in site.formulas.items():
        yield from _one_of(("formulas", name, "access"), formula.access, ("always", "hours", "never"))
    if site.tariff and not (folder / site.tariff).is_file():
        yield Fault(
            ("tariff",),
            f"le fichier « {site.tariff} » n'existe pas à côté du fichier de site",
            f"no file {site.tariff!r} beside the site file",
        )


def _one_of(path: Keys, value: str, allowed: tuple[str, ...]) -> Iterator[Fault]:
    if value not in allowed:
        near = difflib.get_close_matches(value, allowed, 1)
        hint = (f" ; vouliez-vous dire « {near[0]} » ?", f"; did you mean '{near[0]}'?") if near else ("", "")
        words = ", ".join(allowed)
        yield Fault(
            path, f"« {value} » n'est pas un de : {words}{hint[0]}", f"{value!r} is not one of: {words}{hint[1]}"
        )


def _within(path: Keys, value: float, low: float, high: float) -> Iterator[Fault]:
    if not low <= value <= high:
        yield Fault(path, f"{value:g} est hors de [{low:g} ; {high:g}]", f"{value:g} is outside [{low:g}, {high:g}]")


def _needed(path: Keys, value: object, kind: str) -> Iterator[Fault]:
    if not value:
        yield Fault(path, f'manque : nécessaire avec kind = "{kind}"', f"is missing: needed with kind = {kind!r}")


def _address(path: Keys, value: str) -> Iterator[Fault]:
    try:
        IPv4Address(value)
    except AddressValueError:
        yield Fault(
            path,
            f"« {value} » n'est pas une adresse IPv4 (un nom ne convient pas : le DNS peut être en panne)",
            f"{value!r} is not an IPv4 address (no names: DNS may be what is broken)",
        )


def _judge_card(site: Site) -> Iterator[Fault]:
    card = site.site
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,31}", card.code):
        yield Fault(
            ("site", "code"),
            "seulement des minuscules sans accent, chiffres et tirets (32 au plus)",
            "only lower-case letters, digits and dashes (at most 32)",
        )
    try:
        ZoneInfo(card.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield Fault(
            ("site", "timezone"),
            f"fuseau « {card.timezone} » inconnu ; par exemple Europe/Paris",
            f"unknown time zone {card.timezone!r}; for example Europe/Paris",
        )
    yield from _one_of(("site", "language"), card.language, ("fr", "en"))
    yield from _one_of(("site", "holidays"), card.holidays, HOLIDAYS)
    host, _, port = site.web.listen.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        yield Fault(
            ("web", "listen"),
            "attend ADRESSE:PORT, par exemple 127.0.0.1:8080",
            "expects ADDRESS:PORT, for example 127.0.0.1:8080",
        )


def _judge_hours(site: Site) -> Iterator[Fault]:
    for day, windows in site.hours.items():
        try:
            WeeklyHours.parse({day: windows})
        except ValueError as error:
            yield Fault(("hours", day), 'horaire illisible ; écrivez par exemple monday = ["09:00-18:00"]', str(error))


def _judge_link(path: Keys, link: LinkConfig) -> Iterator[Fault]:
    yield from _one_of((*path, "kind"), link.kind, ("scapy", "sim"))
    yield from _within((*path, "interval_s"), link.interval_s, 0.2, 300)
    if link.kind == "scapy":
        yield from _needed((*path, "interface"), link.interface, link.kind)
        yield from _needed((*path, "gateway"), link.gateway, link.kind)
        yield from _needed((*path, "targets"), link.targets, link.kind)
    for key, value in (("gateway", link.gateway), *(("targets", target) for target in link.targets)):
        if value:
            yield from _address((*path, key), value)


def _judge_printers(site: Site) -> Iterator[Fault]:
    if site.spooler is not None:
        yield from _one_of(("spooler", "kind"), site.spooler.kind, ("cups", "sim"))
    for name, printer in site.printers.items():
        path = ("printers", name)
        yield from _one_of((*path, "kind"), printer.kind, ("ipp", "sim"))
        yield from _within((*path, "poll_s"), printer.poll_s, 0.5, 3600)
        yield from _within((*path, "visit_idle_s"), printer.visit_idle_s, 5, 3600)
        if printer.kind == "ipp" and not re.match(r"ipps?://[^/]+", printer.uri):
            yield Fault((*path, "uri"), "attend une adresse ipp://HÔTE/CHEMIN", "expects ipp://HOST/PATH")
        if printer.queues and site.spooler is None:
            yield Fault(
                (*path, "queues"),
                "des files mais pas de section [spooler] ; ajoutez-la",
                "queues but no [spooler] section; add it",
            )


def _judge_readers(site: Site) -> Iterator[Fault]:
    places = ("door", *site.printers) if site.door is not None else tuple(site.printers)
    devices: dict[str, str] = {}
    for name, reader in site.readers.items():
        path = ("readers", name)
        yield from _one_of((*path, "kind"), reader.kind, ("serial", "sim"))
        yield from _one_of((*path, "at"), reader.at, places)
        yield from _one_of((*path, "frame"), reader.frame, ("rdm6300", "line"))
        yield from _one_of((*path, "byte_order"), reader.byte_order, ("as-sent", "reversed"))
        yield from _one_of((*path, "direction"), reader.direction, ("in", "out"))
        if reader.kind == "serial":
            yield from _needed((*path, "device"), reader.device, reader.kind)
            if (other := devices.setdefault(reader.device, name)) != name:
                yield Fault((*path, "device"), f"le même port que readers.{other}", f"the same port as readers.{other}")


def _judge_door(site: Site) -> Iterator[Fault]:
    if site.door is None:
        return
    lock, path = site.door.lock, ("door", "lock")
    yield from _one_of((*path, "kind"), lock.kind, ("gpio", "sim"))
    yield from _within((*path, "hold_s"), lock.hold_s, 0.2, lock.cap_s)
    yield from _within((*path, "cap_s"), lock.cap_s, 0.5, 60)
    if lock.kind == "gpio":
        yield from _needed((*path, "chip"), lock.chip, lock.kind)
    taken = {lock.line: "door.lock"}
    for name, wired in site.door.inputs.items():
        yield from _one_of(("door", "inputs", name), name, ("contact", "exit_button"))
        yield from _within(("door", "inputs", name, "bounce_s"), wired.bounce_s, 0, 1)
        yield from _one_of(("door", "inputs", name, "pull"), wired.pull, ("", "up", "down", "floating"))
        if (other := taken.setdefault(wired.line, f"door.inputs.{name}")) != f"door.inputs.{name}":
            yield Fault(
                ("door", "inputs", name, "line"),
                f"la ligne {wired.line} sert déjà à {other}",
                f"line {wired.line} is already used by {other}",
            )


# --- where a key stands -------------------------------------------------------------------------------------


def _line_index(text: str) -> dict[Keys, int]:
    """Map key paths to line numbers, by a scan of headers and keys outside multi-line values (TOML 1.0)."""
    table: Keys = ()
    arrays: dict[Keys, int] = {}  # [[name]] -> index of its last element
    lines, open_ = dict[Keys, int](), _Open()
    for number, line in enumerate(text.splitlines(), 1):
        if not open_.inside:
            if header := re.match(r"\s*(\[\[?)([^\[\]]+)\]\]?", line):
                table = _header(_steps(header[2]), arrays, repeated=header[1] == "[[")
                steps, known = table, 0
            elif key := re.match(r"\s*([A-Za-z0-9_.\-\"' ]+?)\s*=", line):
                steps, known = (*table, *_steps(key[1])), len(table)
            else:
                steps, known = (), 0
            for end in range(known + 1, len(steps) + 1):
                lines.setdefault(steps[:end], number)
            if header:
                continue
        open_.read(line)
    return lines


def _header(table: Keys, arrays: dict[Keys, int], *, repeated: bool) -> Keys:
    """Return the path of a table header, with the index of each array it stands in."""
    if repeated:
        arrays[table] = arrays.get(table, -1) + 1
    for end in range(len(table), 0, -1):
        if table[:end] in arrays:
            table = (*table[:end], str(arrays[table[:end]]), *table[end:])
    return table


class _Open:
    """Tells whether a line begins inside a multi-line array or string."""

    def __init__(self) -> None:
        self._depth, self._quoted = 0, ""

    @property
    def inside(self) -> bool:
        return self._depth > 0 or bool(self._quoted)

    def read(self, line: str) -> None:
        bare = re.sub(r"(?<!\")\"(?!\"\")[^\"]*\"|(?<!')'(?!'')[^']*'|#.*", "", line)
        for mark in ('"""', "'''"):
            if bare.count(mark) % 2 and self._quoted in ("", mark):
                self._quoted = "" if self._quoted else mark
        if not self._quoted:
            self._depth = max(0, self._depth + bare.count("[") - bare.count("]"))


def _steps(dotted: str) -> Keys:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


def _line_of(lines: Mapping[Keys, int], path: Keys) -> int:
    """Return the line of `path`, or of the nearest table around it; 1 if there is none."""
    for end in range(len(path), 0, -1):
        if path[:end] in lines:
            return lines[path[:end]]
    return 1
