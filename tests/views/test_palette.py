"""Contrast of every pair of colours that meet, light and dark (WCAG 2.2 sections 1.4.3 and 1.4.11)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import agent.views.web

CSS = (Path(agent.views.web.__file__).parent / "static" / "gardien.css").read_text()
THEMES = [
    dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
]
TINTS = ("ok-tint", "watch-tint", "down-tint", "unknown-tint")
TEXT = [("ink", ground) for ground in ("ground", "sheet", *TINTS)] + [
    ("soft", "ground"),
    ("soft", "sheet"),
    ("focus", "ground"),
]
SHAPES = [
    ("ok", "sheet"),
    ("down", "sheet"),
    ("unknown", "sheet"),
    ("watch-edge", "sheet"),
    ("mark", "ok"),
    ("mark", "down"),
]
SHAPES += [
    ("watch-mark", "watch"),
    ("ok", "ok-tint"),
    ("down", "down-tint"),
    ("unknown", "unknown-tint"),
    ("watch-edge", "watch-tint"),
]


def light(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_black_on_white_is_21_to_1() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)


@pytest.mark.parametrize("theme", THEMES, ids=["light", "dark"])
def test_text_and_shapes_stand_out(theme: dict[str, str]) -> None:
    for front, back in TEXT:
        assert contrast(theme[front], theme[back]) >= 4.5, (front, back)
    for front, back in SHAPES:
        assert contrast(theme[front], theme[back]) >= 3.0, (front, back)
    assert len(THEMES) == 2
