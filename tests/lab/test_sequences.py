"""What is said when one fault follows another: nobody is called out who is not, and no word outlives its fault.

Every ordered pair of the matrix is `./dev soak`'s. Tier: sim (`tests.lab.sequences`).
"""

from __future__ import annotations

import itertools
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from tests.lab.sequences import FAULTS, SORTS, judged, play

REPORT = Path(__file__).parents[1] / "reports" / "links-sequences.txt"
NAMES = [name for name in FAULTS if name != "sound"]


def after(sort, seed, *faults, lasts_s=20.0, mended_s=70.0):
    """Return what was wrong with the words, and the words since the first fault."""
    line, begun = play(sort, seed, *[((fault,), lasts_s) for fault in faults], (("sound",), mended_s))
    return judged(line, begun), [word for at, word in line.words if at >= begun[1][0]]


def pair(sort, seed, first, second, lasts_s):
    """Return what was wrong with one sequence, each with its name."""
    faults = (first, second) if second != "sound" else (first,)
    wrong, _ = after(sort, f"{seed}:{first}:{second}:{lasts_s}", *faults, lasts_s=lasts_s)
    names = (*faults, "sound")
    return [(how, sort, " > ".join(names[:number]), word) for how, number, word, _ in wrong]


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        (("dns lying",), ["dns_broken dns_lying", "up none"]),
        (("dns lying", "dns dead"), ["dns_broken dns_lying", "dns_broken dns_dead", "up none"]),
        (("full up",), ["saturated upload", "up none"]),
        (("full up", "cable"), ["saturated upload", "down cable", "up none"]),
        (("full up", "full down"), ["saturated upload", "saturated download", "up none"]),
        (("full down", "full up"), ["saturated download", "saturated upload", "up none"]),
        (("full up", "far delay"), ["saturated upload", "degraded delay", "up none"]),
        (("delay",), ["degraded delay", "up none"]),
        (("delay", "cable"), ["degraded delay", "down cable", "up none"]),
        (("refused", "isp"), ["down line", "down isp", "up none"]),
        (("refused", "box"), ["down line", "down box", "up none"]),
        (("target", "line"), ["down line", "up none"]),
    ],
)
def test_each_fault_has_its_word_and_nothing_else_is_said(faults, words):
    for seed in range(3):
        assert after("adsl", seed, *faults, lasts_s=30.0)[1] == words, seed


@pytest.mark.parametrize("sort", SORTS)
def test_a_longer_way_is_never_a_full_line_also_soon_after_losses(sort):
    for seed, faults in itertools.product(range(5), (("delay",), ("loss", "delay"), ("line", "delay"))):
        _, words = after(sort, seed, *faults, lasts_s=15.0, mended_s=40.0)
        assert not [word for word in words if word.startswith("saturated")], (seed, faults)


@pytest.mark.parametrize("sort", SORTS)
def test_no_sound_line_of_its_kind_is_anything_but_up(sort):
    for seed in range(3):
        line, _ = play(sort, seed, (("sound",), 1800.0))
        assert [word for _, word in line.words] == ["up none"]


def test_a_line_under_what_comes_next_is_never_called_out_that_is_not():
    pairs = [pair for pair in itertools.product(NAMES, [*NAMES, "sound"]) if pair[0] != pair[1]]
    for turn, (first, second) in enumerate(pairs[::3]):
        said = pair(tuple(SORTS)[turn % len(SORTS)], 5, first, second, (5.0, 20.0)[turn % 2])
        assert not [wrong for wrong in said if wrong[0] == "falsely out"], said


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_every_pair_of_faults_on_every_kind_of_line(capsys):
    jobs = [
        (sort, 1, first, second, lasts_s)
        for sort, first, second, lasts_s in itertools.product(SORTS, NAMES, [*NAMES, "sound"], (5.0, 20.0, 60.0))
        if first != second
    ]
    with ProcessPoolExecutor() as pool:
        tolds = list(pool.map(pair, *zip(*jobs, strict=True), chunksize=8))
    wrong = Counter(each for told in tolds for each in told)
    hows = Counter(how for how, *_ in wrong.elements())
    report = (
        f"Pairs of faults, one after the other, without wires (sim tier)\n\n{len(jobs)} sequences: "
        f"{sum(not told for told in tolds)} without a wrong word; {dict(hows)}\n\n"
        + "".join(f"{count:4} {' | '.join(each)}\n" for each, count in wrong.most_common())
    )
    REPORT.write_text(report, encoding="utf-8")
    with capsys.disabled():
        print(f"\n{report}")
    assert not hows["falsely out"]
    assert sum(not told for told in tolds) >= 0.9 * len(tolds)
