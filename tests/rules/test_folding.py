r"""What a print name folds to: every spelling of one person is one, and two people stay two."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.rules.folding import fold_user


@pytest.mark.parametrize(
    "spelling",
    [
        "alice",
        "Alice",
        "ALICE",
        "  alice ",
        "LACORDEE\\alice",
        "AzureAD\\Alice",
        "A\\B\\alice",
        "alice@laptop.local",
        "Alice@LAPTOP",
        "DOMAIN\\Alice@pc",
        "ａｌｉｃｅ",  # full width, as a Japanese keyboard writes it
        "àlicé",
        "a\u0300lice\u0301",  # the same, decomposed, as macOS sends it
        "alice\x00",
        "al\u200bice",  # a zero-width space
    ],
)
def test_one_person(spelling: str) -> None:
    assert fold_user(spelling) == "alice"


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("Élodie  Martin", "elodie martin"),
        ("AzureAD\\ÉlodieMartin", "elodiemartin"),
        ("Straße", "strasse"),
        ("j.dupont", "j.dupont"),
        ("", ""),
        ("   ", ""),
        ("DOMAIN\\", ""),
        ("@host", ""),
        ("a\nb", "a b"),
        ("İpek", "ipek"),
    ],
)
def test_what_is_left(name: str, folded: str) -> None:
    assert fold_user(name) == folded


def test_two_people_stay_two() -> None:
    assert len({fold_user(name) for name in ("alice", "alicia", "alice2", "a.lice", "alice martin")}) == 5


@given(st.text(max_size=40))
def test_folding_twice_is_folding_once(name: str) -> None:
    assert fold_user(fold_user(name)) == fold_user(name)
