"""Says of paper what a device leaves out: whether it is large, and how many sheets the sides take.

The one idea: *names are standardised, guesses are in the member's favour*. A size is read from its PWG 5101.1 name, or
one of RFC 2911 ("iso-a3") and PPDs ("A3") that older machines keep, and is small where the name says none; sheets are
as few as two-sidedness allows, each copy starting a new one. Pure.
"""

from __future__ import annotations

import re

from drivers.contract import JobState

_OLD_NAME = re.compile(r"(?:^|[-_ .])(?:s?ra3|a[0-3]|ledger|tabloid|11x17)(?:$|[-_ .])", re.IGNORECASE)
_PWG_SIZE = re.compile(r"_(\d+(?:\.\d+)?)x(\d+(?:\.\d+)?)(mm|in)$", re.ASCII)
_LARGE_MM = 400.0  # A3 is 297 x 420, tabloid 279 x 432; B4 (364) and legal (356) are not


def large(media: str) -> bool:
    """Return True for paper the size of A3 or more, by its PWG 5101.1 name or an older one; an unknown size is not."""
    found = _PWG_SIZE.search(media)
    if found is None:
        return _OLD_NAME.search(media) is not None
    inches = found[3] == "in"
    return max(float(found[1]), float(found[2])) * (25.4 if inches else 1.0) >= _LARGE_MM


def sheets_of(sides: int, copies: int, *, two_sided: bool, state: str = JobState.COMPLETED, banners: int = 0) -> int:
    """Return the fewest sheets for `sides` in `copies` equal parts, each starting on a new sheet.

    A job that broke off, whose sides make no equal parts or hold `banners`: how long its parts were nobody knows.
    """
    if not two_sided:
        return sides
    each, rest = divmod(sides, max(1, copies))
    equal = state == JobState.COMPLETED and not rest and not banners
    return max(1, copies) * -(-each // 2) if equal else -(-sides // 2)
