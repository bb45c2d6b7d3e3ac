"""What the copier says of itself: an A3 colour duplex machine, as IPP Everywhere wants it described (PWG 5100.14).

The one idea: `fixed` is the printed data sheet, `present` what changes while it runs. With these CUPS builds a
driverless queue whose jobs arrive as PDF. It applies no page ranges and no number-up of its own: the spooler has
done so before the document leaves, and doing it again would print the wrong pages. Sheets come out face down, so
that the spooler need not reverse the order of the sides.
"""

from __future__ import annotations

import time

from drivers.contract import DeviceState
from drivers.ipp import Attribute, Attributes, Range, Resolution, Tag, attribute, members
from drivers.peers.copier_machine import INCOMING_S, Machine
from drivers.peers.copier_paper import moment

OPERATIONS = (0x0002, 0x0004, 0x0005, 0x0006, 0x0008, 0x0009, 0x000A, 0x000B, 0x0039, 0x003B, 0x003C)
FORMATS = {
    "application/pdf": "pdf",
    "image/pwg-raster": "pwg",
    "image/urf": "urf",
}
SIDES = ("one-sided", "two-sided-long-edge", "two-sided-short-edge")
MODES = ("auto", "color", "monochrome")
MEDIA = {  # 1/100 mm
    "iso_a4_210x297mm": (21000, 29700),
    "iso_a3_297x420mm": (29700, 42000),
    "iso_a5_148x210mm": (14800, 21000),
    "na_letter_8.5x11in": (21590, 27940),
}


def keywords(name: str, *values: str) -> Attribute:
    """Return an attribute with keyword values."""
    return attribute(name, Tag.KEYWORD, *values)


def integers(name: str, *values: int) -> Attribute:
    """Return an attribute with integer values."""
    return attribute(name, Tag.INTEGER, *values)


def enums(name: str, *values: int) -> Attribute:
    """Return an attribute with enum values."""
    return attribute(name, Tag.ENUM, *values)


def texts(name: str, *values: str) -> Attribute:
    """Return an attribute with text values."""
    return attribute(name, Tag.TEXT, *values)


def _size(width: int, height: int) -> Attributes:
    return members(integers("x-dimension", width), integers("y-dimension", height))


def _media_col(name: str) -> Attributes:
    margins = (integers(f"media-{edge}-margin", 423) for edge in ("bottom", "left", "right", "top"))
    size = attribute("media-size", Tag.COLLECTION, _size(*MEDIA[name]))
    return members(keywords("media-key", name), size, keywords("media-size-name", name), *margins)


def by_colour(name: str, mono: int, colour: int, blank: int | None = None) -> Attribute:
    """Return a count of sides split as PWG 5100.7 section 6.7 splits it."""
    blanks = () if blank is None else (integers("blank", blank),)
    counts = members(*blanks, integers("full-color", colour), integers("monochrome", mono))
    return attribute(name, Tag.COLLECTION, counts)


def fixed(uri: str, name: str, formats: tuple[str, ...]) -> list[Attribute]:
    """Return what never changes while the machine runs."""
    return [*_service(uri, name, formats), *_abilities(), *_paper(), *_raster()]


def _service(uri: str, name: str, formats: tuple[str, ...]) -> list[Attribute]:
    return [
        attribute("printer-uri-supported", Tag.URI, uri),
        keywords("uri-authentication-supported", "none"),
        keywords("uri-security-supported", "none"),
        attribute("printer-name", Tag.NAME, name),
        texts("printer-info", name),
        texts("printer-location", ""),
        attribute("printer-more-info", Tag.URI, uri.replace("ipp://", "http://").removesuffix("/ipp/print") + "/"),
        texts("printer-make-and-model", "Gardien Copier"),
        attribute("printer-geo-location", Tag.UNKNOWN, None),
        keywords("ipp-versions-supported", "1.1", "2.0"),
        keywords("ipp-features-supported", "ipp-everywhere"),
        enums("operations-supported", *OPERATIONS),
        attribute("charset-configured", Tag.CHARSET, "utf-8"),
        attribute("charset-supported", Tag.CHARSET, "us-ascii", "utf-8"),
        attribute("natural-language-configured", Tag.LANGUAGE, "en"),
        attribute("generated-natural-language-supported", Tag.LANGUAGE, "en"),
        attribute("document-format-supported", Tag.MIME_TYPE, *formats, "application/octet-stream"),
        attribute("document-format-default", Tag.MIME_TYPE, "application/octet-stream"),
        keywords("compression-supported", "none"),
        keywords("pdl-override-supported", "attempted"),
        keywords("which-jobs-supported", "completed", "not-completed", "all"),
        keywords("identify-actions-supported", "display", "sound"),
        keywords("identify-actions-default", "sound"),
        attribute("multiple-document-jobs-supported", Tag.BOOLEAN, True),
        integers("multiple-operation-time-out", INCOMING_S),
        keywords("multiple-operation-time-out-action", "abort-job"),
        attribute("job-ids-supported", Tag.BOOLEAN, True),
        attribute("preferred-attributes-supported", Tag.BOOLEAN, False),
    ]


def _abilities() -> list[Attribute]:
    paper = ("copies", "media", "media-col", "orientation-requested", "output-bin")
    ways = ("print-color-mode", "print-quality", "printer-resolution", "sides", "multiple-document-handling")
    handling = ("separate-documents-uncollated-copies", "separate-documents-collated-copies")
    return [
        keywords("job-creation-attributes-supported", "job-name", "document-format", *paper, *ways),
        attribute("color-supported", Tag.BOOLEAN, True),
        integers("copies-default", 1),
        attribute("copies-supported", Tag.RANGE, Range(1, 999)),
        keywords("sides-default", "one-sided"),
        keywords("sides-supported", *SIDES),
        keywords("print-color-mode-default", "auto"),
        keywords("print-color-mode-supported", *MODES),
        enums("print-quality-default", 4),
        enums("print-quality-supported", 3, 4, 5),
        enums("finishings-default", 3),
        enums("finishings-supported", 3),
        enums("orientation-requested-default", 3),
        enums("orientation-requested-supported", 3, 4, 5, 6),
        keywords("output-bin-default", "face-down"),
        keywords("output-bin-supported", "face-down"),
        keywords("multiple-document-handling-supported", *handling),
        attribute("job-sheets-default", Tag.NAME, "none"),
        attribute("job-sheets-supported", Tag.NAME, "none"),
        attribute("page-ranges-supported", Tag.BOOLEAN, False),
        integers("pages-per-minute", 30),
        integers("pages-per-minute-color", 30),
    ]


def _paper() -> list[Attribute]:
    columns = [_media_col(name) for name in MEDIA]
    edges = ("bottom", "left", "right", "top")
    ways = ("media-size", "media-size-name", *(f"media-{edge}-margin" for edge in edges))
    return [
        keywords("media-default", "iso_a4_210x297mm"),
        keywords("media-supported", *MEDIA),
        keywords("media-ready", "iso_a4_210x297mm", "iso_a3_297x420mm"),
        keywords("media-col-supported", *ways),
        attribute("media-col-default", Tag.COLLECTION, columns[0]),
        attribute("media-col-ready", Tag.COLLECTION, *columns[:2]),
        attribute("media-col-database", Tag.COLLECTION, *columns),
        attribute("media-size-supported", Tag.COLLECTION, *(_size(*size) for size in MEDIA.values())),
        keywords("media-type-supported", "stationery"),
        keywords("media-source-supported", "auto", "main"),
        *(integers(f"media-{edge}-margin-supported", 423) for edge in edges),
    ]


def _raster() -> list[Attribute]:
    dpi = (Resolution(300, 300), Resolution(600, 600))
    return [
        attribute("printer-resolution-default", Tag.RESOLUTION, dpi[0]),
        attribute("printer-resolution-supported", Tag.RESOLUTION, *dpi),
        attribute("pwg-raster-document-resolution-supported", Tag.RESOLUTION, *dpi),
        keywords("pwg-raster-document-type-supported", "sgray_8", "srgb_8"),
        keywords("pwg-raster-document-sheet-back", "normal"),
        keywords("urf-supported", "CP1", "V1.4", "W8", "SRGB24", "RS300-600", "DM1"),
    ]


def present(machine: Machine) -> list[Attribute]:
    """Return what the machine says right now: state, identity, counters and supplies."""
    reasons, now = machine.reasons(), time.time()
    stopped = machine.working is not None and machine.obstacles()
    state = DeviceState.STOPPED if stopped else DeviceState.PROCESSING if machine.working else DeviceState.IDLE
    return [
        enums("printer-state", {DeviceState.IDLE: 3, DeviceState.PROCESSING: 4, DeviceState.STOPPED: 5}[state]),
        keywords("printer-state-reasons", *(reasons or ("none",))),
        texts("printer-state-message", ", ".join(reasons) or "Ready."),
        attribute("printer-is-accepting-jobs", Tag.BOOLEAN, True),
        integers("queued-job-count", len(machine.waiting())),
        integers("printer-up-time", int(now - machine.started_s) + 1),
        attribute("printer-current-time", Tag.DATE_TIME, moment(now)),
        attribute("printer-uuid", Tag.URI, machine.uuid),
        texts("printer-device-id", f"MFG:Gardien;MDL:Copier;SN:{machine.serial};CMD:PDF,PWG,URF;"),
        *_counters(machine),
        *_supplies(machine),
        attribute("printer-input-tray", Tag.OCTETS, *_trays(machine)),
    ]


def _trays(machine: Machine) -> tuple[bytes, ...]:
    """Return the trays as PWG 5100.13 section 5.4.2 spells them; level -3: some paper, nobody knows how much."""
    level = -3 if machine.tray is None else machine.tray
    head = "type=sheetFeedAutoRemovableTray;mediafeed=2970;mediaxfeed=2100;maxcapacity=500"
    return f"{head};level={level};status=0;name=Tray 1;".encode(), f"{head};level=-3;status=0;name=Tray 2;".encode()


def _counters(machine: Machine) -> list[Attribute]:
    life, large = machine.counters, machine.counters.large
    if machine.quirks.tells == "nothing" or large is None:
        return []
    mono, colour = life.print_mono + life.copy_mono, life.print_colour + life.copy_colour
    return [
        integers("printer-impressions-completed", life.sides),
        by_colour("printer-impressions-completed-col", mono, colour),
        by_colour("gardien-copy-impressions-completed-col", life.copy_mono, life.copy_colour),
        by_colour("gardien-large-impressions-completed-col", large.print_mono, large.print_colour),
        by_colour("gardien-large-copy-impressions-completed-col", large.copy_mono, large.copy_colour),
        integers("printer-media-sheets-completed", life.sheets),
    ]


def _supplies(machine: Machine) -> list[Attribute]:
    """Return the cartridges twice: as PWG 5100.13 spells them, and as CUPS shows them (marker-*)."""
    levels = [(colour, round(share * 100)) for colour, share in machine.levels.items()]
    names = [f"{colour.title()} Toner" for colour, _ in levels]
    paint = {"black": "#000000", "cyan": "#00FFFF", "magenta": "#FF00FF", "yellow": "#FFFF00"}
    spelled = [
        f"index={index};class=supplyThatIsConsumed;type=toner;unit=percent;maxcapacity=100;"
        f"level={percent};colorantname={colour};".encode()
        for index, (colour, percent) in enumerate(levels, 1)
    ]
    return [
        attribute("printer-supply", Tag.OCTETS, *spelled),
        texts("printer-supply-description", *names),
        attribute("marker-names", Tag.NAME, *names),
        attribute("marker-colors", Tag.NAME, *(paint[colour] for colour, _ in levels)),
        keywords("marker-types", *("toner" for _ in levels)),
        integers("marker-levels", *(percent for _, percent in levels)),
        integers("marker-low-levels", *(10 for _ in levels)),
        integers("marker-high-levels", *(100 for _ in levels)),
    ]
