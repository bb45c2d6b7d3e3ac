"""What paper is large, and how many sheets its sides take."""

from __future__ import annotations

import pytest

from agent.rules.sheets import large, sheets_of


@pytest.mark.parametrize(
    ("media", "is_large"),
    [
        ("iso_a3_297x420mm", True),
        ("na_ledger_11x17in", True),
        ("iso_a4_210x297mm", False),
        ("na_legal_8.5x14in", False),
        ("jis_b4_257x364mm", False),
        ("custom_320x450mm", True),
        ("", False),
        ("a3", True),  # as PPDs and older machines say it
        ("A3.Fullbleed", True),
        ("iso-a3-white", True),
        ("SRA3", True),
        ("na-ledger", True),
        ("iso-a4", False),
        ("tray-ba3b", False),
    ],
)
def test_large_is_a3_or_more_by_its_name(media: str, is_large: bool) -> None:
    assert large(media) is is_large


def test_sheets_are_as_few_as_two_sidedness_allows() -> None:
    assert sheets_of(15, 3, two_sided=False) == 15
    assert sheets_of(15, 3, two_sided=True) == 9
    assert sheets_of(5, 0, two_sided=True) == 3  # nobody said how many copies
    assert sheets_of(7, 2, two_sided=True) == 4  # broke off: two sheets and two, say
    assert sheets_of(22, 2, two_sided=True, banners=1) == 11  # a banner and its back, then two of ten sides
    assert sheets_of(27, 3, two_sided=True, state="canceled") == 14  # broke off: 20 and 7, say
