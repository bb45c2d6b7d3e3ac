"""How far one gets on a link: from the desk to the internet, and at which step no further.

The one idea: a cause names a place. What lies before it is passed; what lies behind it cannot be told from here, and is
unknown, never "down" as well. Slowness and loss have no place: they are seen at the far end. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from agent.rules.linkfacts import Cause, Health


class Rung(StrEnum):
    """The steps, from here to there."""

    DESK = "desk"  # our appliance and its cable
    BOX = "box"
    LINE = "line"
    PROVIDER = "provider"
    INTERNET = "internet"


class Step(StrEnum):
    """What is known of one of them."""

    PASSED = "passed"
    BADLY = "badly"
    BROKEN = "broken"
    BROKEN_FROM = "broken_from"  # here, or further on
    UNKNOWN = "unknown"


# Where each cause lies. A resolver and a page that stands before all others are the provider's.
PLACES: Mapping[Cause, tuple[Rung, Step]] = {
    Cause.CABLE: (Rung.DESK, Step.BROKEN),
    Cause.BOX: (Rung.BOX, Step.BROKEN),
    Cause.LINE: (Rung.LINE, Step.BROKEN),
    Cause.INTERNET: (Rung.LINE, Step.BROKEN_FROM),
    Cause.ISP: (Rung.PROVIDER, Step.BROKEN),
    Cause.PAGE: (Rung.PROVIDER, Step.BROKEN),
    Cause.DNS_DEAD: (Rung.PROVIDER, Step.BROKEN),
    Cause.DNS_LYING: (Rung.PROVIDER, Step.BROKEN),
    Cause.UPLOAD: (Rung.LINE, Step.BADLY),
    Cause.DOWNLOAD: (Rung.LINE, Step.BADLY),
    Cause.LOSS: (Rung.INTERNET, Step.BADLY),
    Cause.DELAY: (Rung.INTERNET, Step.BADLY),
    Cause.FLAPPING: (Rung.INTERNET, Step.BADLY),
    Cause.HOLE: (Rung.INTERNET, Step.BADLY),
}


def ladder(health: Health, cause: Cause) -> tuple[tuple[Rung, Step], ...]:
    """Return what is known of each step, from the desk on."""
    if health is Health.UP:
        return tuple((rung, Step.PASSED) for rung in Rung)
    if health is Health.UNKNOWN or cause not in PLACES:
        return tuple((rung, Step.UNKNOWN) for rung in Rung)
    place, step = PLACES[cause]
    beyond = Step.PASSED if step is Step.BADLY else Step.UNKNOWN
    order = list(Rung)
    at = order.index(place)
    return tuple((rung, Step.PASSED if n < at else step if n == at else beyond) for n, rung in enumerate(order))
