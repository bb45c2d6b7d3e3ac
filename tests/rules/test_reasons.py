"""What a device's reasons mean: transcripts by keyword, and laws over all of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.rules.reasons import CONDITIONS, KNOWN, REASON_KEYS, Reason, read_reason


@pytest.mark.parametrize(
    ("keyword", "stopped", "key", "blocking"),
    [
        ("media-empty-error", False, "no-paper", True),
        ("media-empty-warning", False, "no-paper", False),  # one tray of two
        ("media-empty-warning", True, "no-paper", True),
        ("media-empty", False, "no-paper", True),
        ("media-needed-report", True, "no-paper", True),
        ("media-jam", False, "jam", True),
        ("media-low-warning", False, "paper-low", False),
        ("toner-low-report", True, "toner-low", False),
        ("marker-supply-low-warning", False, "toner-low", False),
        ("toner-empty-error", False, "toner-empty", True),
        ("toner-low-error", True, "toner-low", True),
        ("toner-low-error", False, "toner-low", False),
        ("cover-open-error", False, "cover-open", True),
        ("door-open", True, "cover-open", True),
        ("input-tray-missing-warning", False, "tray-missing", False),
        ("offline-report", False, "offline", True),  # whatever its suffix: nothing prints
        ("paused", False, "paused", True),
        ("shutdown-warning", False, "offline", True),
        ("spool-area-full-error", True, "memory-full", True),
        ("marker-waste-almost-full-warning", False, "waste-almost-full", False),
        ("stapler-almost-empty-report", False, "supply-low", False),
        ("stapler-empty-error", False, "supply-empty", True),
        ("bander-cover-open-error", False, "cover-open", True),
        ("wrapper-jam-error", False, "jam", True),
        ("trimmer-missing", False, "part-missing", True),
        ("fuser-over-temp-error", True, "too-hot", True),
        ("laminator-over-temperature", False, "too-hot", True),
        ("marker-developer-almost-full", False, "output-almost-full", False),
        ("acme-flux-capacitor-warning", False, "other", False),
        ("acme-flux-capacitor-error", True, "other", True),
        ("other", False, "other", False),
        ("-error", False, "other", False),
        ("", False, "other", False),
    ],
)
def test_a_keyword_is_read(keyword: str, stopped: bool, key: str, blocking: bool) -> None:
    assert read_reason(keyword, stopped=stopped) == Reason(key, blocking, keyword)


REGISTERED = tuple(
    line
    for line in (Path(__file__).parent / "printer_state_reasons.txt").read_text(encoding="ascii").splitlines()
    if not line.startswith("#")
)


def test_every_registered_keyword_has_words_of_its_own_but_the_two_that_say_nothing() -> None:
    assert len(REGISTERED) == 795
    read = {keyword: read_reason(keyword, stopped=False) for keyword in REGISTERED}
    assert [keyword for keyword, reason in read.items() if reason and reason.key == "other"] == ["other", "unknown"]
    calm = 145 + 10  # added, closed, turned on, reconfigured, saving power; and ten by their own names
    assert sum(reason is None for reason in read.values()) == calm


@pytest.mark.parametrize(
    ("keyword", "key", "blocking"),
    [
        ("subunit-timing-Failure", "part-failed", True),
        ("bander-unrecoverable-storage-error", "part-failed", True),
        ("stapler-recoverable-storage-report", "storage", False),
        ("stacker-at-limit-error", "at-limit", True),
        ("stacker-near-limit-warning", "near-limit", False),
        ("input-media-tray-feed-error", "feed", True),
        ("media-path-pick-roller-life-warn", "part-old", False),
        ("input-media-size-change-report", "paper-changed", False),
        ("media-path-cannot-duplex-media-selected-error", "wrong-paper", True),
        ("power-down", "offline", True),
        ("puncher-offline-warning", "part-off", False),
        ("puncher-turned-off-error", "part-off", False),
        ("chamber-temperature-high-error", "too-hot", True),
        ("laser-at-eol-error", "part-dead", True),
    ],
)
def test_a_registered_keyword_says_what_it_means(keyword: str, key: str, *, blocking: bool) -> None:
    assert read_reason(keyword, stopped=False) == Reason(key, blocking, keyword)


@pytest.mark.parametrize("keyword", ["none", "identify-printer-requested-report", "marker-power-saver", "tray-added"])
def test_a_calm_reason_is_not_told(keyword: str) -> None:
    assert read_reason(keyword, stopped=False) is None


def test_the_longer_ending_is_tried_first() -> None:
    endings = [ending for ending, _ in CONDITIONS]
    for place, ending in enumerate(endings):
        assert not any(later != ending and later.endswith(ending) for later in endings[place + 1 :])


@given(st.text(max_size=80), st.booleans())
def test_nothing_a_device_says_breaks_us(keyword: str, stopped: bool) -> None:
    reason = read_reason(keyword, stopped=stopped)
    assert reason is None or (reason.key in REASON_KEYS and reason.keyword == keyword)


@given(st.sampled_from(sorted(KNOWN)), st.sampled_from(["", "-report", "-warning", "-error"]))
def test_a_stopped_device_is_never_less_blocked(base: str, suffix: str) -> None:
    running, stopped = read_reason(base + suffix, stopped=False), read_reason(base + suffix, stopped=True)
    assert (running is None) == (stopped is None)
    assert running is None or stopped is None or stopped.blocking >= running.blocking
