"""The site file: TOML read once into `agent.config.Site`. A change is a restart.

All faults are reported at once, each with its line and its remedy; unknown keys are faults with a "did you mean".
What is faulty is cut out and the rest still judged, so that one wrong type does not hide a wrong address.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cattrs import (
    AttributeValidationNote,
    BaseValidationError,
    ClassValidationError,
    Converter,
    ForbiddenExtraKeysError,
    IterableValidationNote,
)

from agent.config import ConfigError, Site
from agent.faults import Fault, Keys
from agent.sitejudge import judge_site

if TYPE_CHECKING:
    from agent.rules.tariff import Tariff


def read_site(file: Path) -> Site:
    """Read and judge the site file. Raises ConfigError with every fault at once."""
    text, raw = _read_toml(file)
    site, faults = _structure(raw)
    if site is not None:
        faults += list(judge_site(site, file.parent))
    if faults:
        raise _config_error(file, text, faults)
    assert site is not None
    return _placed(site, file.parent)


def _placed(site: Site, folder: Path) -> Site:
    """Return the site with the files it names where they stand: their paths start at the site file."""
    config = site.web
    if site.tariff:
        site = replace(site, tariff=str(folder / site.tariff))
    if not config.certificate:
        return site
    return replace(
        site, web=replace(config, certificate=str(folder / config.certificate), key=str(folder / config.key))
    )


def read_tariff(file: Path) -> Tariff:
    """Read and judge a tariff file. Raises ConfigError with every fault at once."""
    from agent.rules import pricelist  # noqa: PLC0415  (the door knows no prices)

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
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, a number of thousands of digits, a deep nest
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
    strictly(Decimal, also=(int,))

    def texts(value: Any, _: Any) -> tuple[str, ...]:
        if type(value) is not list:  # a text is no list of its letters
            raise TypeError("list")
        return tuple(converter.structure(one, str) for one in value)

    converter.register_structure_hook_func(lambda wanted: wanted == tuple[str, ...], texts)
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
    "Decimal": ("attend un montant, par exemple 0.0045", "expects an amount, for example 0.0045"),
    "bool": ("attend true ou false", "expects true or false"),
    "list": ('attend une liste : ["…", "…"]', 'expects a list: ["…", "…"]'),
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
