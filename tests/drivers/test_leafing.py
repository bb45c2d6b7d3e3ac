"""The forecast of a document over a labelled corpus, and over documents that mean harm. Labels are literals."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path

import pikepdf
import pytest
from PIL import Image

from drivers.holding import Leaves
from drivers.leafing import leaf
from tests.drivers.corpus import PARTS, Labelled, pdf

PDF = "application/pdf"


def look(folder: Path, data: bytes, kind: str, look_s: float = 30.0) -> Leaves:
    file = folder / "document"
    file.write_bytes(data)
    return asyncio.run(leaf(file, kind, look_s=look_s))


@pytest.mark.parametrize("part", PARTS, ids=[part.__name__.strip("_") for part in PARTS])
def test_pages_and_colour_of_the_labelled_corpus(part, tmp_path: Path) -> None:
    documents: list[Labelled] = list(part())

    async def all_of_them() -> list[Leaves]:
        found = []
        for number, one in enumerate(documents):
            file = tmp_path / f"{number}"
            file.write_bytes(one.data)
            found.append(await leaf(file, one.kind))
        return found

    for one, seen in zip(documents, asyncio.run(all_of_them()), strict=True):
        assert seen.pages == one.pages, (one.name, seen)
        if one.pages is not None:
            assert seen.colour == one.colour, (one.name, seen)


PEAK = """
import asyncio, pathlib, resource, sys
from drivers.leafing import leaf
seen = asyncio.run(leaf(pathlib.Path(sys.argv[1]), "application/pdf"))
print(seen.pages, len(seen.colour), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def scan(data: bytes, kind: str, side: int, *, before: str = "") -> bytes:
    """Return a page that is one picture as it stands, not unpacked by anybody."""
    made = pikepdf.Pdf.new()
    page = made.add_blank_page(page_size=(595, 842))
    picture = pikepdf.Stream(made, data)
    picture.Type, picture.Subtype = pikepdf.Name.XObject, pikepdf.Name.Image
    picture.Width = picture.Height = side
    picture.Filter = pikepdf.Name(f"/{kind}")
    if kind == "JBIG2Decode":
        picture.ColorSpace, picture.BitsPerComponent = pikepdf.Name.DeviceGray, 1
    page.Contents = made.make_stream(f"{before} q 500 0 0 700 40 40 cm /I Do Q".encode())
    page.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(I=picture))
    file = BytesIO()
    made.save(file, stream_decode_level=pikepdf.StreamDecodeLevel.none, compress_streams=False)
    return file.getvalue()


def jpeg2000(side: int) -> bytes:
    file = BytesIO()
    Image.new("RGB", (side, side), (200, 20, 20)).save(file, "JPEG2000")
    return file.getvalue()


def test_a_picture_that_the_renderer_leaves_out_is_not_taken_for_black_and_white(tmp_path: Path) -> None:
    red = jpeg2000(400)
    assert look(tmp_path, scan(red, "JPXDecode", 400), PDF) == Leaves(1, frozenset({1}))
    for one in (
        scan(red[:300], "JPXDecode", 400),
        scan(b"\0\0\0\0\x30\0\1\0\0\0\x13" + bytes(40), "JBIG2Decode", 800),
        scan(red, "JPXDecode", 400).replace(b"[ 0 0 595 842 ]", b"[ 0 0 595000000 842000000 ]"),
    ):
        assert look(tmp_path, one, PDF) == Leaves(1, None, "broken")


def test_a_word_that_no_renderer_knows_costs_nothing(tmp_path: Path) -> None:
    assert look(tmp_path, pdf(["1 0 0 rg 50 50 300 300 re f foo bar"] * 2), PDF).colour == frozenset({1, 2})
    many = pdf(["foo " * 200_000])  # complaints without end are heard and forgotten
    assert look(tmp_path, many, PDF) == Leaves(1, frozenset())


def test_large_posters_are_read_in_a_stream(tmp_path: Path) -> None:
    (tmp_path / "poster.pdf").write_bytes(pdf(["1 0 0 rg 0 0 900 900 re f"] * 8, box=(2384, 3370)))
    said = subprocess.run(
        [sys.executable, "-c", PEAK, str(tmp_path / "poster.pdf")], check=True, capture_output=True, timeout=120
    )
    pages, colour, peak_kb = (int(word) for word in said.stdout.split())
    assert (pages, colour) == (8, 8)
    assert peak_kb < 150 * 1024


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("locked", "encrypted"),
        ("garbage", "format"),
        ("empty", "format"),
        ("letter", "format"),
        ("raster-cut", "broken"),
    ],
)
def test_why_nobody_can_tell_is_said(name: str, why: str, tmp_path: Path) -> None:
    (document,) = [one for part in PARTS[1:2] for one in part() if one.name == name]
    assert look(tmp_path, document.data, document.kind) == Leaves(None, None, why)


def test_a_program_that_never_ends_is_ended(tmp_path: Path) -> None:
    began = time.monotonic()
    assert look(tmp_path, b"%!PS\n{} loop\n", "application/postscript", 1.0) == Leaves(None, None, "too-slow")
    assert time.monotonic() - began < 15


def test_a_program_that_eats_memory_is_ended(tmp_path: Path) -> None:
    greedy = b"%!PS\n/kept 60000 array def 0 1 59999 { kept exch 65535 string put } for\n{ } loop\n"
    assert look(tmp_path, greedy, "application/postscript", 4.0).pages is None


def test_a_page_as_large_as_a_field_keeps_its_count(tmp_path: Path) -> None:
    seen = look(tmp_path, pdf(["1 0 0 rg 0 0 14000 14000 re f"], box=(14_400, 14_400)), "application/pdf")
    assert (seen.pages, seen.colour, seen.why) == (1, None, "too-large")


def test_a_picture_that_unpacks_to_gigabytes_costs_no_more_than_its_limit(tmp_path: Path) -> None:
    made = pikepdf.new()
    made.add_blank_page(page_size=(595, 842))
    side = 60_000
    image = pikepdf.Stream(made, b"\0" * 1000)
    image.Type, image.Subtype = pikepdf.Name.XObject, pikepdf.Name.Image
    image.Width, image.Height, image.BitsPerComponent, image.ColorSpace = side, side, 8, pikepdf.Name.DeviceRGB
    made.pages[0].Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(I=made.make_indirect(image)))
    made.pages[0].Contents = made.make_stream(b"595 0 0 842 0 0 cm /I Do")
    made.save(tmp_path / "bomb.pdf")
    seen = asyncio.run(leaf(tmp_path / "bomb.pdf", "application/pdf", look_s=4.0))
    assert seen.pages == 1


def test_a_raster_that_claims_a_huge_page_is_broken(tmp_path: Path) -> None:
    head = bytearray(1796)
    for at, value in ((372, 0xFFFFFFFF), (376, 0xFFFFFFFF), (388, 24), (392, 0xFFFFFFFF)):
        head[at : at + 4] = value.to_bytes(4, "big")
    assert look(tmp_path, b"RaS2" + bytes(head), "image/pwg-raster") == Leaves(None, None, "broken")
