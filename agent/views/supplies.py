"""What a machine's own names of its trays, paper and supplies are called in the language of the page.

The one idea: *a name is said in our words only if it is understood whole*. Machines spell them as keywords (PWG 5100.7
media-source: "by-pass-tray", "tray-1"; PWG 5101.1 media names: "iso_a4_210x297mm") or freely, in English
(prtInputName, prtMarkerSuppliesDescription of RFC 3805: "MP Tray", "Waste Toner Container 108R01416"). Part numbers and
makers' names add nothing; a word that nobody knows here leaves the name as the machine says it, which is also what
stands on its panel. Metrics keep the machine's names. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from agent.live import LiveSupply, LiveTray
from agent.views.words import Words

INKS = frozenset({"black", "cyan", "magenta", "yellow"})  # those that have a tint of their own

# PWG 5100.7 section 6.3 media-source keywords, and how makers spell them in prtInputName: without "tray" behind.
TRAYS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "bypass": ("by pass", "bypass"),
        "multipurpose": ("multi purpose", "multipurpose", "mp", "mpt", "mpf", "universal"),
        "manual": ("manual",),
        "large-capacity": ("large capacity", "high capacity", "lct", "lcit", "lcc", "hct", "hcf"),
        "main": ("main",),
        "alternate": ("alternate",),
        "top": ("top", "upper"),
        "middle": ("middle",),
        "center": ("center", "centre"),
        "bottom": ("bottom", "lower"),
        "left": ("left",),
        "right": ("right",),
        "side": ("side",),
        "rear": ("rear", "back"),
        "front": ("front",),
        "envelope": ("envelope", "envelopes"),
        "photo": ("photo",),
        "postcard": ("hagaki", "postcard"),
        "disc": ("disc",),
        "auto": ("auto", "auto select", "automatic", "automatically select"),
        "main-roll": ("main roll",),
        "alternate-roll": ("alternate roll",),
    }
)
NUMBERED = ("tray", "cassette", "roll")  # and a number
SIZES = frozenset({"letter", "legal", "ledger", "executive"})  # of North America, by name everywhere

# What a supply is, by the words of its name, the most telling first.
KINDS: Mapping[str, str] = MappingProxyType(
    {
        "waste-toner": r"(?:waste|used) toner|toner waste|toner collection|waste",
        "waste-ink": r"(?:waste|used) ink|ink waste|maintenance (?:box|tank|cartridge)",
        "drum": r"drum|photo ?conductor|imaging (?:unit|kit)|image (?:unit|drum)|opc",
        "fuser": r"fuser|fusing|fixing",
        "belt": r"(?:image |intermediate )?transfer belt|itb",
        "roller": r"transfer roll(?:er)?",
        "transfer": r"transfer",
        "developer": r"developer|developing",
        "maintenance": r"maintenance",
        "staples": r"staples?",
        "toner": r"toner",
        "ink": r"ink",
        "cartridge": r"cartridge",
    }
)
PLAIN = frozenset({"toner", "ink", "cartridge"})  # what is meant where only a colour is said
PAINTS: Mapping[str, str] = MappingProxyType(
    {
        "photo-black": r"photo black",
        "matte-black": r"matte? black",
        "light-cyan": r"light cyan",
        "light-magenta": r"light magenta",
        "black": r"black|bk|k",
        "cyan": r"cyan|c",
        "magenta": r"magenta|m",
        "yellow": r"yellow|y",
        "gray": r"gr[ae]y",
        "tricolour": r"tri colou?r|tricolou?r",
    }
)
_NOISE = re.compile(
    r"assembly|bin|bottle|box|cartridge|container|kit|original|pn|receptacle|tank|unit"
    r"|brother|canon|epson|hp|konica|kyocera|lexmark|minolta|oki|ricoh|samsung|sharp|toshiba|xerox"
)


@dataclass(frozen=True, slots=True)
class SaidSupply:
    """One supply of a device."""

    name: str
    tint: str  # a class of the style sheet
    share: float | None
    level: str


def said_supply(supply: LiveSupply, t: Words) -> SaidSupply:
    """Say one supply and its level."""
    name, ink = _supply(supply, t)
    tint = ink if ink in INKS else "plain"
    return SaidSupply(name, tint, supply.level_share, _level(supply.level_share, t))


def said_tray(tray: LiveTray, t: Words) -> SaidSupply:
    """Say one tray, what lies in it, and how much of it."""
    name, size = tray_name(tray.name, t), paper_size(tray.media)
    name = t("device.tray", name=name, media=size) if size else name
    if tray.empty:
        return SaidSupply(name, "plain", 0.0, t("device.tray_empty"))
    return SaidSupply(name, "plain", tray.level_share, _level(tray.level_share, t))


def _level(share: float | None, t: Words) -> str:
    if share is None:
        return t("device.level_unknown")
    return t("device.level", percent=round(share * 100))


def tray_name(name: str, t: Words) -> str:
    """Say the name of a tray; as the machine spells it, if that is not understood whole."""
    spelled = re.sub(r"[\s_./-]+", " ", name.casefold()).strip()
    if not spelled:
        return t("tray.nameless")
    plain = re.sub(r"^(?:paper|input) ", "", spelled)
    if found := re.fullmatch(r"(tray|drawer|cassette|roll) ?(\d{1,2})", plain, re.ASCII):
        kind = "tray" if found[1] == "drawer" else found[1]
        return t(f"tray.{kind}_n", n=str(int(found[2])))
    plain = re.sub(r"(?: (?:paper|input|tray|drawer|cassette|feed|feeder|slot))+$", "", plain)
    key = next((key for key, spellings in TRAYS.items() if plain in spellings), "")
    return t(f"tray.{key}") if key else name


def paper_size(media: str) -> str:
    """Return a size as people say it: "A4", "B5 JIS", "Letter", else its millimetres, else what the machine says."""
    if found := re.fullmatch(r"(?:choice_)?([a-z]+)_(\S+?)_([\d.]+)x([\d.]+)(mm|in)", media, re.ASCII):
        name = _known_size(found[1], found[2])
        return name or " × ".join(_millimetres(found[at], inches=found[5] == "in") for at in (3, 4)) + "\u00a0mm"
    if found := re.fullmatch(r"(iso|jis|na)-([a-z0-9]+)(?:-(?:white|coloured|colored|transparent))?", media, re.ASCII):
        return _known_size(found[1], found[2]) or media  # before PWG 5101.1 (RFC 2911 appendix C)
    return media


def _known_size(standard: str, name: str) -> str:
    if standard in {"iso", "jis"} and re.fullmatch(r"[abc]\d{1,2}|dl", name, re.ASCII):
        return name.upper() + (" JIS" if standard == "jis" else "")
    return name.capitalize() if standard == "na" and name in SIZES else ""


def _millimetres(written: str, *, inches: bool) -> str:
    try:
        return str(round(float(written) * (25.4 if inches else 1.0)))
    except ValueError:
        return written


def _supply(supply: LiveSupply, t: Words) -> tuple[str, str]:
    """Return the name of a supply in words, and the colour it is shown in."""
    told = supply.colour if supply.colour in INKS else ""
    words = [part for word in re.split(r"[\s,;:/()_]+", supply.name.casefold()) for part in _said(word)]
    kind, left = _found(KINDS, " ".join(words))
    paint, left = _found(PAINTS, left)
    whole = all(_NOISE.fullmatch(word) for word in left.split())
    paint = paint if whole and paint else told
    if not (whole or told) or not (kind or paint):
        return supply.name, ""
    colour = t(f"colour.{paint}") if paint else ""
    if kind in PLAIN or not kind:
        return colour or t(f"supply.{kind}"), told or paint
    said = t(f"supply.{kind}")
    return t("supply.of", kind=said, colour=colour.lower()) if colour else said, told or paint


def _said(word: str) -> list[str]:
    """Return the words in one; none in a part number."""
    return [] if re.search(r"\d", word) else word.split("-")


def _found(patterns: Mapping[str, str], text: str) -> tuple[str, str]:
    """Return which of the patterns is in a text, and the text without it."""
    for key, pattern in patterns.items():
        if found := re.search(rf"\b(?:{pattern})\b", text):
            return key, f"{text[: found.start()]} {text[found.end() :]}"
    return "", text
