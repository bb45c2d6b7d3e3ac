"""A labelled corpus of documents, made here: what each has on paper is known because it was drawn so.

`CORPUS` yields (name, bytes, media type, pages, colour pages); pages None: nobody could tell. The raster encoders are
written from PWG 5102.4 by themselves, with nothing of the reader they are to judge.
"""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pikepdf
from PIL import Image, ImageDraw, ImageFilter

A4 = (595, 842)


@dataclass(frozen=True, slots=True)
class Labelled:
    """One document and what it really holds."""

    name: str
    data: bytes
    kind: str
    pages: int | None
    colour: frozenset[int] = frozenset()


def text(page: int) -> str:
    """Return drawing operators for a page of black text."""
    lines = "".join(f"({page}.{line} The quick brown fox jumps over the lazy dog) ' " for line in range(40))
    return f"BT /F1 11 Tf 14 TL 60 790 Td {lines} ET "


def pdf(drawings: list[str], *, box: tuple[int, int] = A4, rotate: int = 0, crop: str = "") -> bytes:
    """Return a PDF with one page per drawing (operators of ISO 32000-2 annex A)."""
    made = pikepdf.new()
    font = made.make_indirect(
        pikepdf.Dictionary(Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica)
    )
    for drawing in drawings:
        made.add_blank_page(page_size=box)
        page = made.pages[-1]
        page.Resources = pikepdf.Dictionary(Font=pikepdf.Dictionary(F1=font))
        page.Contents = made.make_stream(drawing.encode("latin-1"))
        if rotate:
            page.Rotate = rotate
        if crop:
            page.CropBox = pikepdf.Array([int(part) for part in crop.split()])
    return _saved(made)


def _saved(made: pikepdf.Pdf, **how: object) -> bytes:
    out = io.BytesIO()
    made.save(out, **how)
    return out.getvalue()


def scanned(pictures: list[Image.Image], quality: int = 75) -> bytes:
    """Return a PDF of JPEG pictures, as a scanner sends it."""
    out = io.BytesIO()
    pictures[0].save(out, "PDF", resolution=100, save_all=True, append_images=pictures[1:], quality=quality)
    return out.getvalue()


def sheet(
    seed: int, *, paper: tuple[int, int, int] = (255, 255, 255), noise: int = 0, stamp: bool = False
) -> Image.Image:
    """Return a scanned page: dark lines on paper, noise of each channel by itself, perhaps a red stamp."""
    dice = random.Random(seed)
    page = Image.new("RGB", (827, 1169), paper)
    draw = ImageDraw.Draw(page)
    for y in range(80, 1080, 22):
        x = 80
        while x < 740:
            long = dice.randint(8, 60)
            draw.rectangle((x, y, x + long, y + 9), fill=(30, 30, 34))
            x += long + 10
    if stamp:
        draw.ellipse((560, 900, 660, 1000), outline=(200, 20, 30), width=6)
    if noise:
        grain = Image.merge("RGB", [Image.effect_noise(page.size, noise) for _ in range(3)])
        page = Image.blend(page, grain, 0.06)
    return page.filter(ImageFilter.GaussianBlur(0.6))


# --- raster encoders ----------------------------------------------------------------------------------------


def packed(line: bytes, pixel: int) -> bytes:
    """Pack one line: runs of equal pixels and runs of different ones (PWG 5102.4 section 4.3.3.1)."""
    pixels = [line[at : at + pixel] for at in range(0, len(line), pixel)]
    out, at = bytearray(), 0
    while at < len(pixels):
        run = 1
        while at + run < len(pixels) and run < 128 and pixels[at + run] == pixels[at]:
            run += 1
        if run > 1:
            out += bytes([run - 1]) + pixels[at]
            at += run
            continue
        end = at + 1
        while end < len(pixels) and end - at < 128 and (end + 1 >= len(pixels) or pixels[end] != pixels[end + 1]):
            end += 1
        if end - at == 1:
            out += b"\x00" + pixels[at]
        else:
            out += bytes([257 - (end - at)]) + b"".join(pixels[at:end])
        at = end
    return bytes(out)


def _lines(page: Image.Image, pixel: int) -> bytes:
    """Pack a whole page; equal lines are told once with how often."""
    data, width = page.tobytes(), page.width * pixel
    rows = [data[at : at + width] for at in range(0, len(data), width)]
    out, at = bytearray(), 0
    while at < len(rows):
        times = 1
        while at + times < len(rows) and times < 256 and rows[at + times] == rows[at]:
            times += 1
        out += bytes([times - 1]) + packed(rows[at], pixel)
        at += times
    return bytes(out)


PIXELS = {"L": (8, 1, 18, 1), "RGB": (24, 3, 19, 3), "CMYK": (32, 4, 6, 4)}  # bits, bytes, color space, colours


def pwg(pages: list[Image.Image]) -> bytes:
    """Return a PWG raster."""
    out = bytearray(b"RaS2")
    for page in pages:
        bits, pixel, space, colours = PIXELS[page.mode]
        head = bytearray(1796)
        head[0:9] = b"PwgRaster"
        for at, value in (
            (276, 100), (280, 100), (340, 1), (372, page.width), (376, page.height), (384, 8), (388, bits),
            (392, page.width * pixel), (400, space), (420, colours), (452, len(pages)),
        ):  # fmt: skip
            struct.pack_into(">I", head, at, value)
        out += head + _lines(page, pixel)
    return bytes(out)


def urf(pages: list[Image.Image], *, counted: bool = True) -> bytes:
    """Return a URF; phones that stream do not say how many pages come."""
    out = bytearray(b"UNIRAST\0" + struct.pack(">I", len(pages) if counted else 0))
    for page in pages:
        bits, pixel, *_ = PIXELS[page.mode]
        out += struct.pack(">BBBBIIIIIII", bits, 0 if pixel == 1 else 1, 1, 4, 0, 0, page.width, page.height, 100, 0, 0)
        out += _lines(page, pixel)
    return bytes(out)


def postscript(drawings: list[str], *, spoken: bool = False) -> bytes:
    """Return a PostScript program, perhaps wrapped in printer job language as Windows does."""
    body = "".join(f"{drawing}\nshowpage\n" for drawing in drawings)
    program = f"%!PS-Adobe-3.0\n/Helvetica findfont 12 scalefont setfont\n{body}%%EOF\n".encode()
    if not spoken:
        return program
    return b'\x1b%-12345X@PJL JOB NAME="x"\n@PJL ENTER LANGUAGE=POSTSCRIPT\n' + program + b"\x1b%-12345X"


# --- the corpus ---------------------------------------------------------------------------------------------

RED_DOT = "1 0 0 rg 300 400 4.3 4.3 re f 0 g"  # a millimetre and a half
LINK = "0 0 0.93 rg BT /F1 11 Tf 60 300 Td (https://example.org/a-link-in-blue) Tj ET 0 g"
MARKER = "1 1 0.6 rg 60 500 200 14 re f 0 g"
RICH = "0 0 0 rg 50 50 495 740 re f"
RICH_CMYK = "0.6 0.5 0.5 1 k 50 50 495 740 re f"
REGISTRATION = "1 1 1 1 k 50 50 495 740 re f"
GREYS = " ".join(f"{n / 20} g {50 + 20 * n} 100 20 600 re f" for n in range(20))
PS_TEXT = "72 700 moveto (hello) show"
PS_RED = "1 0 0 setrgbcolor 100 100 50 50 rectfill 0 setgray"


def _pdfs() -> Iterator[Labelled]:
    kind = "application/pdf"
    for count in (1, 2, 3, 5, 7, 20, 200):
        yield Labelled(f"text-{count}", pdf([text(page) for page in range(count)]), kind, count)
    for name, drawing in (
        ("rich-rgb", RICH),
        ("rich-cmyk", RICH_CMYK),
        ("registration", REGISTRATION),
        ("greys", GREYS),
    ):
        yield Labelled(name, pdf([drawing] * 5), kind, 5)
    yield Labelled("near-black", pdf(["0.05 0.06 0.04 rg 50 50 400 400 re f"]), kind, 1)
    for name, drawing in (("dot", RED_DOT), ("link", LINK), ("marker", MARKER)):
        for count, at in ((5, 2), (1, 1), (20, 20)):
            drawings = [text(page) + (drawing if page == at else "") for page in range(1, count + 1)]
            yield Labelled(f"{name}-{at}-of-{count}", pdf(drawings), kind, count, frozenset({at}))
    many = frozenset(range(7, 201, 13))
    yield Labelled("mixed-200", pdf([text(n) + (LINK if n in many else "") for n in range(1, 201)]), kind, 200, many)
    yield Labelled("turned", pdf([text(1) + MARKER] * 3, rotate=90), kind, 3, frozenset({1, 2, 3}))
    yield Labelled(
        "poster", pdf([RICH, RED_DOT + " 1 0 0 rg 0 0 300 300 re f"], box=(2384, 3370)), kind, 2, frozenset({2})
    )
    yield Labelled("cropped", pdf([text(1) + "1 0 0 rg 0 0 30 30 re f"], crop="50 50 500 800"), kind, 1)
    yield Labelled("blank", pdf(["", "", ""]), kind, 3)
    yield Labelled("scan-grey", scanned([sheet(n).convert("L") for n in range(3)]), kind, 3)
    yield Labelled("scan-noisy", scanned([sheet(n, paper=(250, 249, 245), noise=60) for n in range(4)], 50), kind, 4)
    yield Labelled("scan-yellowed", scanned([sheet(9, paper=(245, 243, 232), noise=30)]), kind, 1)
    yield Labelled("scan-stamp", scanned([sheet(1), sheet(2, stamp=True), sheet(3)]), kind, 3, frozenset({2}))
    photo = Image.radial_gradient("L").resize((600, 800))
    photo = Image.merge("RGB", (photo, photo.rotate(90, expand=False), photo.rotate(180)))
    yield Labelled("photo", scanned([photo]), kind, 1, frozenset({1}))


def _broken() -> Iterator[Labelled]:
    kind, five = "application/pdf", pdf([text(page) + MARKER for page in range(5)])
    with pikepdf.open(io.BytesIO(five)) as made:
        yield Labelled("locked", _saved(made, encryption=pikepdf.Encryption(owner="o", user="u")), kind, None)
        sealed = _saved(made, encryption=pikepdf.Encryption(owner="o", user=""))
        yield Labelled("sealed", sealed, kind, 5, frozenset(range(1, 6)))
    yield Labelled("garbage", random.Random(7).randbytes(5000), kind, None)
    yield Labelled("only-a-head", b"%PDF-1.7\n" + random.Random(8).randbytes(5000), kind, None)
    yield Labelled("empty", b"", kind, None)
    yield Labelled("no-table", five[: five.rindex(b"startxref")], kind, 5, frozenset(range(1, 6)))
    yield Labelled("letter", b"Dear Sir,\n" * 40, "text/plain", None)
    yield Labelled("raster-cut", pwg([sheet(1), sheet(2)])[:-2000], "image/pwg-raster", None)
    yield Labelled("urf-cut", urf([sheet(1).convert("L")])[:500], "image/urf", None)
    yield Labelled("ps-wrong", b"%!PS\n(unfinished", "application/postscript", None)


def _rasters() -> Iterator[Labelled]:
    grey, plain, stamp = (one.resize((414, 584)) for one in (sheet(1).convert("L"), sheet(2), sheet(3, stamp=True)))
    black = Image.new("RGB", (827, 1169), (12, 12, 12))
    for name, pages, colour in (
        ("grey", [grey] * 3, ()), ("plain", [plain] * 2, ()), ("black", [black], ()), ("stamp", [plain, stamp], (2,)),
        ("mixed", [grey, stamp, plain, stamp], (2, 4)),
    ):  # fmt: skip
        yield Labelled(f"pwg-{name}", pwg(pages), "image/pwg-raster", len(pages), frozenset(colour))
        yield Labelled(f"urf-{name}", urf(pages, counted=name != "mixed"), "image/urf", len(pages), frozenset(colour))
    inks = Image.new("CMYK", (400, 600), (120, 120, 120, 255))
    yield Labelled("pwg-cmyk-rich", pwg([inks]), "image/pwg-raster", 1)
    red = Image.new("CMYK", (400, 600), (0, 220, 220, 0))
    yield Labelled("pwg-cmyk-red", pwg([inks, red]), "image/pwg-raster", 2, frozenset({2}))


def _others() -> Iterator[Labelled]:
    for spoken in (False, True):
        name = "ps-spoken" if spoken else "ps"
        yield Labelled(name, postscript([PS_TEXT] * 4, spoken=spoken), "application/postscript", 4)
        yield Labelled(
            f"{name}-red",
            postscript([PS_TEXT, PS_RED, PS_TEXT], spoken=spoken),
            "application/postscript",
            3,
            frozenset({2}),
        )
    out = io.BytesIO()
    sheet(5, stamp=True).save(out, "JPEG")
    yield Labelled("jpeg", out.getvalue(), "image/jpeg", 1, frozenset({1}))
    out = io.BytesIO()
    sheet(6).save(out, "PNG")
    yield Labelled("png", out.getvalue(), "image/png", 1)


PARTS: tuple[Callable[[], Iterator[Labelled]], ...] = (_pdfs, _broken, _rasters, _others)


def corpus() -> Iterator[Labelled]:
    """Yield every labelled document."""
    for part in PARTS:
        yield from part()
