"""Answers that are no IPP, or not the one that was asked for: what a broken network card says (RFC 8010 section 3.1).

The one idea: a real answer is spoiled, so that each is wrong in just one way. A client must say so, and book nothing.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from aiohttp import web

from drivers.ipp import Attributes, Group, Message, encode

_HANG_S = 30.0


async def spoiled(answer: Message, how: str) -> web.Response:
    """Return `answer` spoiled in one way, one of `copier_paper.GARBAGE`."""
    if how == "hang":
        await asyncio.sleep(_HANG_S)
    if how == "html":
        return web.Response(text="<html>Please log in</html>", content_type="text/html")
    return web.Response(body=_bytes(answer, how), content_type="application/ipp")


def _bytes(answer: Message, how: str) -> bytes:
    whole = encode(answer)
    ways = {
        "empty": b"",
        "cut": whole[: len(whole) // 2],
        "loop": whole[:-1] + b"\x44\xff\xff",  # a name whose length is negative: some clients never come back
        "groups": whole[:-1] + b"\x04" * 300_000 + whole[-1:],  # each costs whoever reads it a hundred times its byte
        "other-request": encode(replace(answer, request=answer.request + 7)),
        "request-zero": whole[:4] + bytes(4) + whole[8:],
        "no-state": encode(replace(answer, groups=tuple(_without_state(group) for group in answer.groups))),
    }
    return ways.get(how, whole)


def _without_state(group: Group) -> Group:
    kept = tuple(each for each in group.attributes.attributes if not each.name.endswith("-state"))
    return replace(group, attributes=Attributes(kept))
