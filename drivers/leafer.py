"""Looks through one document: how many pages, which of them in colour. A program, run by `drivers.leafing`.

    python -m drivers.leafer FILE MEDIA-TYPE        prints {"pages": 20}, then {"colour": [2]}, or {"why": "encrypted"}

The one idea: *look at it as the paper will look*. Pages of a PDF are counted by its page tree (ISO 32000-2 section
7.7.3) and rendered small, in a stream that is never kept; a pixel has colour if its channels differ by more than
`CHROMA`, so that rich black, which asks for all inks, and a scan's yellowish paper are what they look like: black and
white. (The `inkcov` device of Ghostscript calls rich black colour.) Raster formats (PWG 5102.4, and URF, which phones
send) are read line by line; nothing is unpacked into memory beyond one line.

It limits itself before it opens anything: address space, processor time, no core, no file written by this process.
It never runs what a document asks for beyond what rendering it means: Ghostscript stays in its SAFER mode.
"""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from threading import Event, Thread
from typing import IO

CHROMA = 24  # of 255: how far apart the channels of a coloured pixel are
SHARE = 0.00002  # of a page's pixels that must be coloured: a dot of a millimetre and a half on A4
DPI = 36
MEMORY = 512 * 1024 * 1024  # bytes of address space, each process; resident is far less
CPU_S = 60
MOST_PAGES = 5000
MOST_PIXELS = 20_000_000  # of one rendered page: a poster at DPI
LOST = re.compile(rb"decod|memory|JBIG2|JPX|DCT|CCITT|image|stream", re.IGNORECASE)  # pdftoppm, of what it left out
RASTER_LINE = 1 << 20  # bytes of one line: more than A0 at 600 dpi in four colours


class Unreadable(Exception):  # noqa: N818  (an answer, not an error)
    """Nobody can tell; the word says why."""


def main() -> None:
    """Look through the file named on the command line, and say what is found as soon as it is known."""
    file, kind = Path(sys.argv[1]), sys.argv[2]
    if not limited():
        return say(why="no-limits")  # a hostile document is not opened without them
    try:
        with file.open("rb") as document:
            _look(document, file, kind)
    except Unreadable as why:
        say(why=str(why))
    except MemoryError:
        say(why="too-large")
    return None


def limited() -> bool:
    """Limit this process and its renderers; False where the machine does not let us."""
    for limit, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 64 * 1024 * 1024),  # Ghostscript's own temporary files
    ):
        try:
            resource.setrlimit(limit, (most, most))
        except (OSError, ValueError):
            return False
    return True


def say(**what: object) -> None:
    """Tell the parent."""
    print(json.dumps(what), flush=True)  # noqa: T201  (the program's answer)


def _look(document: BufferedReader, file: Path, kind: str) -> None:
    """Go by what the file begins with; the media type only where that says nothing."""
    head = document.peek(2048)[:2048]
    if head.startswith((b"RaS2", b"2SaR", b"RaS3", b"3SaR", b"RaSt", b"tSaR")):
        return _tell(pwg_pages(document))
    if head.startswith(b"UNIRAST\0"):
        return _tell(urf_pages(document))
    if b"%PDF-" in head[:1024]:
        return _look_pdf(file)
    if b"%!" in head and (kind == "application/postscript" or head.startswith((b"%!", b"\x1b%-12345X", b"\x04%!"))):
        return _tell(postscript_pages(document, head.index(b"%!")))
    if head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")):
        return _look_picture(file)
    raise Unreadable("format")


def _tell(pages: Iterator[bool]) -> None:
    """Say the pages of a stream: their number is known only with the last one."""
    colour, count = [], 0
    for count, coloured in enumerate(pages, 1):
        if coloured:
            colour.append(count)
        if count > MOST_PAGES:
            raise Unreadable("too-large")
    if not count:
        raise Unreadable("broken")
    say(pages=count, colour=colour)


# --- PDF, PostScript, pictures ------------------------------------------------------------------------------


def _look_pdf(file: Path) -> None:
    import pikepdf  # noqa: PLC0415  (a tenth of a second, where it is a PDF)

    try:
        with pikepdf.open(file, suppress_warnings=True) as document:
            pages = len(document.pages)
    except pikepdf.PasswordError:
        raise Unreadable("encrypted") from None
    except (pikepdf.PdfError, RuntimeError, ValueError, TypeError, KeyError, AttributeError):
        raise Unreadable("broken") from None
    if not pages:
        raise Unreadable("broken")
    say(pages=pages)
    if pages > MOST_PAGES:
        raise Unreadable("too-large")
    found, whole = _drawn(["pdftoppm", "-r", str(DPI), "-cropbox", str(file)])
    if whole and len(found) == pages:  # a renderer that gave up in between does not tell which page it left out
        say(colour=[page for page, coloured in enumerate(found, 1) if coloured])
    else:
        raise Unreadable("broken")


def _drawn(command: list[str]) -> tuple[list[bool], bool]:
    """Return for each page whether it has colour, and whether all was drawn.

    Where poppler cannot unpack a picture (too large, broken) it leaves it out, complains, and ends as if all were well.
    """
    lost = Event()
    reading, writing = os.pipe()
    ear = Thread(target=_hear, args=(reading, lost), daemon=True)
    ear.start()
    try:
        found = list(_rendered(command, None, writing))
    finally:
        os.close(writing)
    ear.join()
    return found, not lost.is_set()


def _hear(reading: int, lost: Event) -> None:
    """Read a renderer's complaints to their end, however many, and keep none."""
    with open(reading, "rb") as complaints:
        while line := complaints.readline(4096):
            if LOST.search(line):
                lost.set()


def postscript_pages(document: BufferedReader, start: int) -> Iterator[bool]:
    """Yield the pages that a PostScript program shows; printer job language before it is left out."""
    document.seek(start)
    options = ["-q", "-dSAFER", "-dBATCH", "-dNOPAUSE", "-sDEVICE=ppmraw", f"-r{DPI}", "-dGraphicsAlphaBits=4"]
    return _rendered(["gs", *options, "-sOutputFile=%stdout", "-sstdout=%stderr", "-"], document)


def _rendered(
    command: list[str], source: BufferedReader | None, complaints: int = subprocess.DEVNULL
) -> Iterator[bool]:
    """Yield for each page that a renderer draws whether it has colour. Raises Unreadable when it fails."""
    try:
        renderer = subprocess.Popen(
            command,
            stdin=subprocess.PIPE if source else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
        )
    except OSError:
        raise Unreadable("format") from None
    with renderer:
        assert renderer.stdout is not None
        if source is not None:
            _pour(source, renderer)
        while (size := ppm_size(renderer.stdout)) is not None:
            data = renderer.stdout.read(size[0] * size[1] * 3)
            if len(data) < size[0] * size[1] * 3:
                raise Unreadable("broken")
            yield coloured_rgb(size, data)
        if renderer.wait() != 0:
            raise Unreadable("broken")


def _pour(source: BufferedReader, renderer: subprocess.Popen[bytes]) -> None:
    """Feed the renderer from a process of its own: it reads and draws at the same time."""
    assert renderer.stdin is not None
    if os.fork() == 0:
        try:
            while block := source.read(1 << 16):
                renderer.stdin.write(block)
            renderer.stdin.close()
        finally:
            os._exit(0)
    renderer.stdin.close()


def ppm_size(stream: IO[bytes]) -> tuple[int, int] | None:
    """Read the head of one PPM picture (ppm(5), raw, 8 bits); None at the end. Raises Unreadable."""
    line = _token(stream)
    if not line:
        return None
    words = [line, _token(stream), _token(stream), _token(stream)]
    try:
        width, height, depth = (int(word) for word in words[1:])
    except ValueError:
        raise Unreadable("broken") from None
    if words[0] != b"P6" or depth != 255 or not 0 < width * height <= MOST_PIXELS:
        raise Unreadable("too-large" if words[0] == b"P6" else "broken")
    return width, height


def _token(stream: IO[bytes]) -> bytes:
    """Read one word and the white space after it; comments are passed over."""
    word = b""
    while sign := stream.read(1):
        if sign == b"#":
            stream.readline(1000)
        elif not sign.isspace():
            word += sign
        elif word:
            break
    return word[:20]


def coloured_rgb(size: tuple[int, int], data: bytes) -> bool:
    """Return whether enough pixels of a picture have colour."""
    if data[0::3] == data[1::3] == data[2::3]:
        return False
    from PIL import Image, ImageChops  # noqa: PLC0415  (as above)

    red, green, blue = Image.frombytes("RGB", size, data).split()
    apart = ImageChops.lighter(ImageChops.difference(red, green), ImageChops.difference(green, blue))
    return _enough(sum(apart.histogram()[CHROMA + 1 :]), size[0] * size[1])


def _enough(coloured: int, pixels: int) -> bool:
    return coloured > 0 and coloured >= SHARE * pixels


def _look_picture(file: Path) -> None:
    from PIL import Image  # noqa: PLC0415  (as above)

    try:
        with Image.open(file) as picture:
            if picture.width * picture.height > 10 * MOST_PIXELS:
                raise Unreadable("too-large")
            picture.draft("RGB", (600, 600))
            small = picture.convert("RGB")
            small.thumbnail((600, 600))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise Unreadable("broken") from None
    say(pages=1, colour=[1] if coloured_rgb(small.size, small.tobytes()) else [])


# --- raster -------------------------------------------------------------------------------------------------


def pwg_pages(document: BufferedReader) -> Iterator[bool]:
    """Yield the pages of a PWG raster (PWG 5102.4 section 4.3). Raises Unreadable."""
    if document.read(4) != b"RaS2":  # big-endian; CUPS's own other forms come from drivers, not from members
        raise Unreadable("format")
    while head := document.read(1796):
        if len(head) < 1796:
            raise Unreadable("broken")
        width, height = _number(head, 372), _number(head, 376)
        bits, line = _number(head, 388), _number(head, 392)
        yield _raster_page(document, (width, height), bits, line)


def urf_pages(document: BufferedReader) -> Iterator[bool]:
    """Yield the pages of a URF, which iOS sends where AirPrint has no PDF. Raises Unreadable."""
    if len(document.read(12)) < 12:
        raise Unreadable("broken")
    while head := document.read(32):
        if len(head) < 32:
            raise Unreadable("broken")
        width, height, bits = _number(head, 12), _number(head, 16), head[0]
        yield _raster_page(document, (width, height), bits, -(-width * bits // 8))


def _number(head: bytes, at: int) -> int:
    return int.from_bytes(head[at : at + 4], "big")


def _raster_page(document: BufferedReader, size: tuple[int, int], bits: int, line: int) -> bool:
    """Read one page, line by line; return whether it has colour. Raises Unreadable.

    `bits` of a pixel: 24 and 32 are RGB and CMYK of one byte a channel, 48 and 64 of two, the greater first; less is
    grey. Equal amounts of cyan, magenta and yellow are grey too, whatever the black ink does.
    """
    width, height = size
    pixel = max(1, bits // 8)
    if not (0 < width <= RASTER_LINE and 0 < height <= RASTER_LINE and 0 < line <= RASTER_LINE and pixel <= 8):
        raise Unreadable("broken")
    step = 0 if bits < 24 else pixel // 3 if pixel <= 6 else 2
    coloured, y = 0, 0
    while y < height:
        times = document.read(1)
        if not times:
            raise Unreadable("broken")
        found = _raster_line(document, line, pixel, 1 if pixel == 4 else step)
        coloured += found * (times[0] + 1)
        y += times[0] + 1
    return _enough(coloured, width * height)


def _raster_line(document: BufferedReader, line: int, pixel: int, step: int) -> int:
    """Unpack one line (PWG 5102.4 section 4.3.3.1) and count its coloured pixels; `step` 0: it has no channels."""
    x = coloured = 0
    while x < line:
        code = document.read(1)
        if not code:
            raise Unreadable("broken")
        if code[0] == 128:  # URF: the rest of the line is white
            break
        run = code[0] + 1 if code[0] < 128 else 257 - code[0]
        wanted = pixel if code[0] < 128 else run * pixel
        data = document.read(wanted)
        if len(data) < wanted:
            raise Unreadable("broken")
        if step:
            coloured += _apart(data, pixel, step) * (run if code[0] < 128 else 1)
        x += run * pixel
    return coloured


def _apart(data: bytes, pixel: int, step: int) -> int:
    """Count the pixels whose first three channels differ by more than CHROMA, by their most significant bytes."""
    first, second, third = data[0::pixel], data[step::pixel], data[2 * step :: pixel]
    if first == second == third:
        return 0
    return sum(max(one) - min(one) > CHROMA for one in zip(first, second, third, strict=True))


if __name__ == "__main__":
    main()
