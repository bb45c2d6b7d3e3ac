"""The live picture: what another process left is believed only if it is whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from agent.live import LiveDevice, LiveLink, LiveSupply, Picture, read_pictures, write_picture
from drivers.clock import SystemClock

NOW = SystemClock().now()
WHOLE = Picture(
    service="links",
    at=NOW,
    pid=7,
    version="1",
    links={"adsl1": LiveLink("up", "none", NOW.utc, 0.02, 0.0)},
    devices={"copieur": LiveDevice("idle", supplies=(LiveSupply("Black", "black", 0.5),))},
)


def test_a_picture_reads_back_as_it_was_written(tmp_path: Path) -> None:
    write_picture(tmp_path, WHOLE)
    assert read_pictures(tmp_path) == {"links": WHOLE}


NONSENSE: Mapping[str, str | bytes] = {
    "empty": "",
    "null": "null",
    "list": "[]",
    "deep": "[" * 100_000,
    "not text": b"\xff\xfe",
    "no moment": json.dumps({"service": "x", "at": None, "pid": 1, "version": ""}),
}


@pytest.mark.parametrize("said", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_left_out_and_the_others_are_read(tmp_path: Path, said: str | bytes) -> None:
    write_picture(tmp_path, WHOLE)
    (tmp_path / "live" / "x.json").write_bytes(said if isinstance(said, bytes) else said.encode())
    assert read_pictures(tmp_path) == {"links": WHOLE}


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("0.02", "NaN"),
        ("0.02", "1e999"),
        ("0.5", "Infinity"),
        ("+00:00", ""),  # an instant without its offset
        ('"service": "links"', '"service": "door"'),  # speaks for another
    ],
)
def test_a_picture_that_is_not_whole_says_nothing(tmp_path: Path, was: str, now: str) -> None:
    write_picture(tmp_path, WHOLE)
    file = tmp_path / "live" / "links.json"
    text = file.read_text(encoding="utf-8")
    assert was in text
    file.write_text(text.replace(was, now), encoding="utf-8")
    assert read_pictures(tmp_path) == {}
