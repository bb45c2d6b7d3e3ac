"""Unknown cards in a row are named and slowed, members never; noise is told from cards."""

from __future__ import annotations

import pytest

from agent.rules.readers import NoiseWatch, StrangersChanged, StrangerWatch

DIFFERENT = ["0A00000001", "0A00FF1002", "0A03300003", "0A99000004", "0A00450005", "0A00000600", "0A07000007"]
SIDE_BY_SIDE = [f"0A000000{number:02X}" for number in range(16, 30)]


def tried(watch: StrangerWatch, numbers: list[str], start_s: float, every_s: float) -> list[bool]:
    return [watch.refuse(number, start_s + n * every_s)[0] for n, number in enumerate(numbers)]


def test_four_unknown_cards_are_no_run() -> None:
    watch = StrangerWatch("porte")
    assert tried(watch, DIFFERENT[:4], 0.0, 1.0) == [True] * 4
    assert watch.pattern == ""


def test_five_in_more_than_half_a_minute_are_no_run() -> None:
    watch = StrangerWatch("porte")
    assert tried(watch, DIFFERENT[:6], 0.0, 8.0) == [True] * 6
    assert watch.pattern == ""


@pytest.mark.parametrize(
    ("numbers", "pattern"), [(DIFFERENT, "run"), (SIDE_BY_SIDE, "sequence"), (["0A00000001"] * 5, "same")]
)
def test_the_fifth_names_the_pattern(numbers: list[str], pattern: str) -> None:
    watch = StrangerWatch("porte")
    facts = [watch.refuse(number, float(n))[1] for n, number in enumerate(numbers[:5])]
    assert facts == [None, None, None, None, StrangersChanged("porte", pattern, 5)]


def test_the_delay_doubles_up_to_a_minute() -> None:
    watch = StrangerWatch("porte")
    answered = [s / 2 for s in range(600) if watch.refuse(SIDE_BY_SIDE[s % 14], s / 2)[0]]
    assert answered == [0.0, 0.5, 1.0, 1.5, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 124.0, 184.0, 244.0]
    assert watch.delay_s == 60.0


def test_a_run_nobody_continues_is_over_after_two_minutes() -> None:
    watch = StrangerWatch("porte")
    tried(watch, DIFFERENT, 0.0, 1.0)
    assert watch.rest(125.9) is None
    assert watch.rest(126.0) == StrangersChanged("porte", "", 7)
    assert watch.rest(300.0) is None
    assert watch.refuse(DIFFERENT[0], 301.0) == (True, None)


def test_a_stranger_long_after_a_run_ends_it_and_is_answered() -> None:
    watch = StrangerWatch("porte")
    tried(watch, DIFFERENT, 0.0, 1.0)
    assert watch.refuse("0A00000001", 500.0) == (True, StrangersChanged("porte", "", 7))


def test_noise_is_a_hundred_bytes_in_a_minute() -> None:
    watch = NoiseWatch()
    for now_s, count, noisy in ((0, 5, False), (10, 104, False), (20, 105, True), (60, 105, True), (61, 105, False)):
        watch.look(count, float(now_s))
        assert watch.noisy is noisy, now_s


def test_a_reader_opened_anew_counts_from_nothing() -> None:
    watch = NoiseWatch()
    watch.look(5000, 0.0)
    watch.look(0, 10.0)
    assert not watch.noisy
    watch.look(100, 20.0)
    assert watch.noisy
