"""Reads a printing device's `printer-state-reasons`: what each keyword means to people, and how bad it is.

The one idea: the keyword says *what*, its suffix says *how bad*, and the device's state has the last word. A
reason is a base keyword with an optional `-report`, `-warning` or `-error` (RFC 8011 section 5.4.12). The registry
holds some 800 of them, most of the form PART-CONDITION (PWG 5100.9): those that matter get their own words, the
others the words of their condition, and what we do not know is shown as it came, never hidden and never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Weight(StrEnum):
    """What a reason does to the work."""

    ALWAYS = "always"  # nothing prints, whatever the suffix says
    BLOCKS = "blocks"  # nothing prints, unless the suffix is milder and the device goes on
    WARNS = "warns"  # prints on; soon somebody must act
    CALM = "calm"  # nothing to do


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason, read."""

    key: str  # its words: "jam", "no-paper", ..., "other"
    blocking: bool  # True: this is why nothing prints
    keyword: str  # as the device sent it


_B, _W = Weight.BLOCKS, Weight.WARNS

KNOWN: Mapping[str, tuple[str, Weight]] = MappingProxyType(
    {
        "none": ("none", Weight.CALM),
        "media-jam": ("jam", _B),
        "media-empty": ("no-paper", _B),
        "media-needed": ("no-paper", _B),
        "media-low": ("paper-low", _W),
        "toner-low": ("toner-low", _W),
        "toner-empty": ("toner-empty", _B),
        "marker-supply-low": ("toner-low", _W),
        "marker-supply-empty": ("toner-empty", _B),
        "developer-low": ("part-old", _W),
        "developer-empty": ("part-dead", _B),
        "opc-near-eol": ("part-old", _W),
        "opc-life-over": ("part-dead", _B),
        "cover-open": ("cover-open", _B),
        "door-open": ("cover-open", _B),
        "interlock-open": ("cover-open", _B),
        "input-tray-missing": ("tray-missing", _B),
        "output-tray-missing": ("tray-missing", _B),
        "output-area-full": ("output-full", _B),
        "output-area-almost-full": ("output-almost-full", _W),
        "marker-waste-full": ("waste-full", _B),
        "marker-waste-almost-full": ("waste-almost-full", _W),
        "waste-toner-full": ("waste-full", _B),
        "fuser-over-temp": ("too-hot", _B),
        "fuser-under-temp": ("warming", _W),
        "offline": ("offline", Weight.ALWAYS),
        "shutdown": ("offline", Weight.ALWAYS),
        "timed-out": ("offline", Weight.ALWAYS),
        "deactivated": ("offline", Weight.ALWAYS),
        "connecting-to-device": ("connecting", _W),
        "paused": ("paused", Weight.ALWAYS),
        "moving-to-paused": ("paused", Weight.ALWAYS),
        "hold-new-jobs": ("paused", Weight.ALWAYS),
        "stopped-partly": ("part-off", _W),
        "stopping": ("paused", _W),
        "power-down": ("offline", Weight.ALWAYS),
        "power-up": ("none", Weight.CALM),
        "printer-manual-reset": ("adjusting", _W),
        "printer-nms-reset": ("adjusting", _W),
        "printer-ready-to-print": ("none", Weight.CALM),
        "marker-adjusting-print-quality": ("adjusting", _W),
        "media-drying": ("adjusting", _W),
        "material-needed": ("supply-empty", _B),
        "input-cannot-feed-size-selected": ("wrong-paper", _B),
        "media-path-cannot-duplex-media-selected": ("wrong-paper", _B),
        "input-manual-input-request": ("manual-feed", _B),
        "media-path-input-request": ("manual-feed", _B),
        "interpreter-complex-page-encountered": ("memory-full", _W),
        "interpreter-memory-increase": ("none", Weight.CALM),
        "interpreter-memory-decrease": ("none", Weight.CALM),
        "interpreter-cartridge-deleted": ("none", Weight.CALM),
        "interpreter-resource-deleted": ("none", Weight.CALM),
        "alert-removal-of-binary-change-entry": ("none", Weight.CALM),
        "configuration-change": ("none", Weight.CALM),
        "spool-area-full": ("memory-full", _B),
        "interpreter-resource-unavailable": ("memory-full", _W),
        "identify-printer-requested": ("none", Weight.CALM),
        "power-saver": ("none", Weight.CALM),
    }
)

CONDITIONS: tuple[tuple[str, tuple[str, Weight]], ...] = (  # endings; the longer ones first
    ("-cover-open", ("cover-open", _B)),
    ("-door-open", ("cover-open", _B)),
    ("-interlock-open", ("cover-open", _B)),
    ("-almost-empty", ("supply-low", _W)),
    ("-empty", ("supply-empty", _B)),
    ("-low", ("supply-low", _W)),
    ("-almost-full", ("output-almost-full", _W)),
    ("-full", ("output-full", _B)),
    ("-jam", ("jam", _B)),
    ("-missing", ("part-missing", _B)),
    ("-over-temperature", ("too-hot", _B)),
    ("-under-temperature", ("warming", _W)),
    ("-warming-up", ("warming", _W)),
    ("-life-almost-over", ("part-old", _W)),
    ("-life-over", ("part-dead", _B)),
    ("-failure", ("part-failed", _B)),
    ("-power-saver", ("none", Weight.CALM)),
    ("-added", ("none", Weight.CALM)),
    ("-closed", ("none", Weight.CALM)),
    ("-turned-on", ("none", Weight.CALM)),
    ("-configuration-change", ("none", Weight.CALM)),
    ("-turned-off", ("part-off", _W)),
    ("-offline", ("part-off", _B)),
    ("-opened", ("cover-open", _B)),
    ("-removed", ("part-missing", _B)),
    ("-memory-exhausted", ("memory-full", _B)),
    ("-unrecoverable-storage", ("part-failed", _B)),
    ("-recoverable-storage", ("storage", _W)),
    ("-at-limit", ("at-limit", _B)),
    ("-near-limit", ("near-limit", _W)),
    ("-at-eol", ("part-dead", _B)),
    ("-near-eol", ("part-old", _W)),
    ("-roller-life-warn", ("part-old", _W)),
    ("-feed", ("feed", _B)),  # ...-feed-error: its suffix is part of the registered name
    ("-temperature-high", ("too-hot", _B)),
    ("-cooling", ("warming", _W)),
    ("-cooling-down", ("warming", _W)),
    ("-heating", ("warming", _W)),
    ("-color-change", ("paper-changed", _W)),
    ("-parts-change", ("paper-changed", _W)),
    ("-size-change", ("paper-changed", _W)),
    ("-type-change", ("paper-changed", _W)),
    ("-weight-change", ("paper-changed", _W)),
)

REASON_KEYS: tuple[str, ...] = tuple(
    sorted({"other", *(key for key, _ in (*KNOWN.values(), *(words for _, words in CONDITIONS)))} - {"none"})
)


def read_reason(keyword: str, *, stopped: bool) -> Reason | None:
    """Read one keyword of a device that is `stopped` or not; None if there is nothing to tell."""
    base, _, suffix = keyword.rpartition("-")
    if suffix not in {"report", "warning", "error"}:
        base, suffix = keyword, ""
    key, weight = _words(base)
    if weight is Weight.CALM:
        return None
    return Reason(key, _blocks(weight, suffix, stopped=stopped), keyword)


def _words(base: str) -> tuple[str, Weight]:
    base = base.lower()  # "subunit-timing-Failure" is registered just so
    known = KNOWN.get(base)
    if known is not None:
        return known
    for ending, words in CONDITIONS:
        if base.endswith(ending):
            return words
    return ("other", _W)


def _blocks(weight: Weight, suffix: str, *, stopped: bool) -> bool:
    if weight is Weight.ALWAYS:
        return True
    if weight is Weight.BLOCKS:
        return stopped or suffix in {"", "error"}
    return stopped and suffix == "error"
