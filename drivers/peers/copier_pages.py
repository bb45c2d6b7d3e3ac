"""What a copier's page interpreter knows: how many sides a document has, and which of them are blank.

The one idea: the far end counts for itself, from the bytes it received, so that our metering is compared with
something it did not compute. PDF is read by pypdf; PWG Raster (PWG 5102.4) and Apple Raster are walked header by
header here. A side is *blank* when nothing is painted on it: the back that a spooler pads an odd document with,
or a page the author left empty. A blank side takes paper and no toner.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from pypdf import PdfReader
from pypdf.errors import PyPdfError
from pypdf.generic import ArrayObject, DictionaryObject, PdfObject, StreamObject

_PAINTS = re.compile(rb"(?<![^\s\])>}])(?:Tj|TJ|'|\"|f\*?|F|B\*?|b\*?|S|s|sh|EI)(?=\s|$|[\[(</])")
_DO = re.compile(rb"/([^\s/<>\[\]()]+)\s+Do(?=\s|$)")
_NESTED = 8  # forms in forms looked into; deeper ones count as painted


class PagesError(ValueError):
    """The document cannot be interpreted; the copier aborts the job (document-format-error)."""


@dataclass(frozen=True, slots=True)
class Document:
    """A received document: its bytes, and for each side whether it is blank; None if it cannot be interpreted."""

    data: bytes
    blanks: tuple[bool, ...] | None


def interpret(data: bytes) -> Document:
    """Look at a document as the machine's interpreter does. Takes its time: any thread but the loop's."""
    try:
        return Document(data, blank_sides(data) if data else ())
    except PagesError:
        return Document(data, None)


def blank_sides(document: bytes) -> tuple[bool, ...]:
    """Return one entry for each side of the document, True where it is blank. Raises PagesError."""
    try:
        if document.startswith(b"%PDF-"):
            return tuple(_blank_pdf(page) for page in PdfReader(io.BytesIO(document)).pages)
        if document.startswith(b"RaS2"):
            return tuple(_pwg_pages(document))
        if document.startswith(b"UNIRAST\0"):
            return tuple(_urf_pages(document))
    except (PyPdfError, struct.error, KeyError, IndexError, RecursionError, TypeError, AttributeError) as error:
        raise PagesError(f"damaged: {error}") from error
    raise PagesError("neither PDF nor PWG Raster nor Apple Raster")


# --- PDF ---------------------------------------------------------------------------------------------------


def _blank_pdf(page: DictionaryObject) -> bool:
    return not _paints(_data(page.get("/Contents")), page.get("/Resources"), _NESTED)


def _paints(content: bytes, resources: PdfObject | None, depth: int) -> bool:
    """Return True if the content stream marks the page, itself or by an image or a form that does."""
    if _PAINTS.search(content):
        return True
    names = [match.group(1).decode("latin-1") for match in _DO.finditer(content)]
    if not names:
        return False
    if depth == 0:
        return True
    found = _resolve(resources)
    objects = _resolve(found.get("/XObject")) if isinstance(found, DictionaryObject) else None
    if not isinstance(objects, DictionaryObject):
        return False
    return any(_paints_object(_resolve(objects.get(f"/{name}")), depth) for name in names)


def _paints_object(painted: PdfObject | None, depth: int) -> bool:
    if not isinstance(painted, StreamObject):
        return False
    if painted.get("/Subtype") != "/Form":
        return True
    return _paints(painted.get_data(), painted.get("/Resources"), depth - 1)


def _data(contents: PdfObject | None) -> bytes:
    found = _resolve(contents)
    if isinstance(found, ArrayObject):
        return b"\n".join(_data(each) for each in found)
    return found.get_data() if isinstance(found, StreamObject) else b""


def _resolve(found: PdfObject | None) -> PdfObject | None:
    return found.get_object() if found is not None else None


# --- raster ------------------------------------------------------------------------------------------------


def _pwg_pages(document: bytes) -> Iterator[bool]:
    """Walk PWG Raster: a page is a 1796-byte header, then compressed lines (PWG 5102.4 section 4)."""
    at = 4
    while at < len(document):
        height, bits, per_line, _order, space = struct.unpack_from(">I8x4I", document, at + 376)
        white = b"\x00" if space in {3, 6} else b"\xff"  # K and CMYK count ink, grey and RGB count light
        at += 1796
        at, blank = _lines(document, at, height, per_line, max(1, bits // 8), white)
        yield blank


def _urf_pages(document: bytes) -> Iterator[bool]:
    """Walk Apple Raster: a 12-byte file header with the page count, then a 32-byte header for each page."""
    (pages,) = struct.unpack_from(">I", document, 8)
    at = 12
    for _ in range(pages):
        bits, space = struct.unpack_from("BB", document, at)
        width, height = struct.unpack_from(">II", document, at + 12)
        pixel = max(1, bits // 8)
        white = b"\x00" if space == 6 else b"\xff"
        at, blank = _lines(document, at + 32, height, width * pixel, pixel, white)
        yield blank


def _lines(document: bytes, at: int, height: int, per_line: int, pixel: int, white: bytes) -> tuple[int, bool]:
    """Skip `height` lines of run-length coding; return where they end and whether all of them were white."""
    blank, line = True, 0
    while line < height:
        line += document[at] + 1
        at, filled = at + 1, 0
        while filled < per_line:
            count = document[at]
            if count == 0x80:  # the rest of the line is white (Apple Raster)
                at, filled = at + 1, per_line
                continue
            size = pixel if count < 0x80 else pixel * (257 - count)
            blank = blank and document[at + 1 : at + 1 + size].strip(white) == b""
            filled += pixel * (count + 1) if count < 0x80 else size
            at += 1 + size
    return at, blank
