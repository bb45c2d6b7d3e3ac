"""What the tests of the printing device share: documents, an IPP client that prints, and a clock."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import Coroutine
from urllib.parse import urlsplit

from drivers.clock import SystemClock
from drivers.contract import DeviceId, DeviceReading
from drivers.ipp import Attribute, Group, Message, Tag, attribute, decode, encode, members
from drivers.printer import IppPrinter

PRINT_JOB, CREATE_JOB, SEND_DOCUMENT, CANCEL_JOB, GET_JOB, GET_JOBS = 0x02, 0x05, 0x06, 0x08, 0x09, 0x0A


def reads(uri: str, **how: float) -> Coroutine[None, None, DeviceReading]:
    """Take one look at a device with the real driver."""
    return IppPrinter(SystemClock(), DeviceId("copier"), uri, **how).read()


def document(pages: int, *, blank: frozenset[int] = frozenset()) -> bytes:
    """Return a PDF 1.4 with text on every page but the `blank` ones (1-based)."""
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count %d/Kids[%s]>>" % (pages, b" ".join(b"%d 0 R" % (4 + 2 * n) for n in range(pages))),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    for page in range(1, pages + 1):
        content = b"q Q" if page in blank else b"BT /F 48 Tf 100 600 Td (%d) Tj ET" % page
        objects.append(
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F 3 0 R>>>>/Contents %d 0 R>>"
            % (3 + 2 * page)
        )
        objects.append(b"<</Length %d>>stream\n%s\nendstream" % (len(content), content))
    out, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    tail = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(out))
    return out + head + table + tail


def ask(
    uri: str,
    operation: int,
    *more: Attribute,
    job: tuple[Attribute, ...] = (),
    user: str = "alice",
    body: bytes = b"",
    host: str = "",
) -> Message:
    """Send one IPP request over a connection of its own and return the answer. Blocks."""
    head = members(
        attribute("attributes-charset", Tag.CHARSET, "utf-8"),
        attribute("attributes-natural-language", Tag.LANGUAGE, "en"),
        attribute("printer-uri", Tag.URI, uri),
        attribute("requesting-user-name", Tag.NAME, user),
        *more,
    )
    groups = (Group(Tag.OPERATION, head), *((Group(Tag.JOB, members(*job)),) if job else ()))
    place = urlsplit(uri)
    wire = http.client.HTTPConnection(host or place.hostname or "", place.port, timeout=10)
    try:
        wire.request(
            "POST", place.path, encode(Message(operation, 7, groups), body), {"Content-Type": "application/ipp"}
        )
        answer = wire.getresponse()
        data = answer.read()
        assert answer.status == 200, (answer.status, data)
        return decode(data)[0]
    finally:
        wire.close()


def template(*, copies: int = 1, two_sided: bool = False, colour: bool = False) -> tuple[Attribute, ...]:
    """Return the job template attributes of a print."""
    return (
        attribute("copies", Tag.INTEGER, copies),
        attribute("sides", Tag.KEYWORD, "two-sided-long-edge" if two_sided else "one-sided"),
        attribute("print-color-mode", Tag.KEYWORD, "color" if colour else "monochrome"),
    )


async def send(
    uri: str, user: str, body: bytes, *, copies: int = 1, two_sided: bool = False, colour: bool = False
) -> int:
    """Print a PDF with one Print-Job and return the device's job-id."""
    answer = await asyncio.to_thread(
        ask,
        uri,
        PRINT_JOB,
        attribute("job-name", Tag.NAME, "letter"),
        attribute("document-format", Tag.MIME_TYPE, "application/pdf"),
        job=template(copies=copies, two_sided=two_sided, colour=colour),
        user=user,
        body=body,
    )
    assert answer.code == 0, hex(answer.code)
    number = answer.first(Tag.JOB).integer("job-id")
    assert number is not None
    return number
