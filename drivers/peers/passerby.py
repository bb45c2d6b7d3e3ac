"""A passer-by: prints straight to a printing device, past every queue, as any laptop on the network could.

The one idea: *a client the box knows nothing of*. One Print-Job (RFC 8011 section 4.2.1) over a connection of its own,
no CUPS, no backend, no note: what a copier that takes jobs from anybody must be caught at.

`python -m drivers.peers.passerby URI USER PAGES`
"""

from __future__ import annotations

import http.client
import sys
from urllib.parse import urlsplit

from drivers.ipp import Group, Message, Tag, attribute, decode, encode, members
from drivers.peers.cups import pdf

PRINT_JOB = 0x0002
ANSWER_S = 10.0


def print_past(uri: str, user: str, pages: int, *, colour: bool = False) -> int:
    """Send one document to `uri` (ipp://HOST:PORT/PATH); return the status-code. Blocks. Raises OSError, IppError."""
    head = members(
        attribute("attributes-charset", Tag.CHARSET, "utf-8"),
        attribute("attributes-natural-language", Tag.LANGUAGE, "en"),
        attribute("printer-uri", Tag.URI, uri),
        attribute("requesting-user-name", Tag.NAME, user),
        attribute("document-format", Tag.MIME_TYPE, "application/pdf"),
    )
    wish = members(attribute("print-color-mode", Tag.KEYWORD, "color" if colour else "monochrome"))
    message = Message(PRINT_JOB, 1, (Group(Tag.OPERATION, head), Group(Tag.JOB, wish)))
    place = urlsplit(uri)
    wire = http.client.HTTPConnection(place.hostname or "", place.port or 631, timeout=ANSWER_S)
    try:
        body = encode(message, pdf(pages, colour=colour))
        wire.request("POST", place.path, body, {"Content-Type": "application/ipp"})
        answer, _ = decode(wire.getresponse().read())
        return answer.code
    finally:
        wire.close()


if __name__ == "__main__":
    sys.exit(int(print_past(sys.argv[1], sys.argv[2], int(sys.argv[3])) != 0))
