"""What machines call their trays, paper and supplies, as keywords, as makers spell them, and what people read."""

from __future__ import annotations

import pytest

from agent.live import LiveSupply, LiveTray
from agent.views.supplies import paper_size, said_supply, said_tray, tray_name
from agent.views.words import words

FR, EN = words("fr"), words("en")


@pytest.mark.parametrize(
    ("spelled", "french", "english"),
    [
        ("tray-1", "Bac 1", "Tray 1"),
        ("Tray 1", "Bac 1", "Tray 1"),
        ("Tray2", "Bac 2", "Tray 2"),
        ("Paper Tray 3", "Bac 3", "Tray 3"),
        ("Drawer 04", "Bac 4", "Tray 4"),
        ("Cassette 1", "Cassette 1", "Cassette 1"),
        ("roll-2", "Rouleau 2", "Roll 2"),
        ("by-pass-tray", "Bac auxiliaire", "Bypass tray"),
        ("Bypass Tray", "Bac auxiliaire", "Bypass tray"),
        ("MP Tray", "Bac multifonction", "Multipurpose tray"),
        ("Multi-Purpose Feeder", "Bac multifonction", "Multipurpose tray"),
        ("manual", "Alimentation manuelle", "Manual feed"),
        ("Manual Feed Slot", "Alimentation manuelle", "Manual feed"),
        ("large-capacity", "Bac grande capacité", "Large-capacity tray"),
        ("LCT", "Bac grande capacité", "Large-capacity tray"),
        ("High Capacity Input Tray", "Bac grande capacité", "Large-capacity tray"),
        ("main", "Bac principal", "Main tray"),
        ("alternate", "Bac secondaire", "Second tray"),
        ("top", "Bac du haut", "Top tray"),
        ("Lower Tray", "Bac du bas", "Bottom tray"),
        ("envelope", "Bac à enveloppes", "Envelope tray"),
        ("main-roll", "Rouleau principal", "Main roll"),
        ("auto", "Choix automatique du bac", "Automatic choice of tray"),
        ("", "Bac", "Tray"),
        ("Bac 1", "Bac 1", "Bac 1"),
        ("Tray 1 (A4 only)", "Tray 1 (A4 only)", "Tray 1 (A4 only)"),
        ("Inserter B", "Inserter B", "Inserter B"),
        ("tray", "tray", "tray"),
    ],
)
def test_a_tray_is_said_in_words_or_as_the_machine_says_it(spelled: str, french: str, english: str) -> None:
    assert (tray_name(spelled, FR), tray_name(spelled, EN)) == (french, english)


@pytest.mark.parametrize(
    ("media", "said"),
    [
        ("iso_a4_210x297mm", "A4"),
        ("iso_a3_297x420mm", "A3"),
        ("iso_dl_110x220mm", "DL"),
        ("jis_b5_182x257mm", "B5 JIS"),
        ("na_letter_8.5x11in", "Letter"),
        ("na_index-4x6_4x6in", "102 × 152\u00a0mm"),
        ("om_small-photo_100x150mm", "100 × 150\u00a0mm"),
        ("custom_carte_85.6x53.98mm", "86 × 54\u00a0mm"),
        ("custom_x_1.2.3x4mm", "1.2.3 × 4\u00a0mm"),
        ("iso-a4-white", "A4"),
        ("na-letter", "Letter"),
        ("na-number-10", "na-number-10"),
        ("A4 Plain", "A4 Plain"),
        ("", ""),
    ],
)
def test_a_size_is_said_by_its_name_or_in_millimetres(media: str, said: str) -> None:
    assert paper_size(media) == said


@pytest.mark.parametrize(
    ("spelled", "colour", "french", "tint"),
    [
        ("Black Toner", "black", "Noir", "black"),
        ("Black Toner", "", "Noir", "black"),
        ("Toner (Yellow)", "", "Jaune", "yellow"),
        ("Cyan Cartridge HP CF411X", "", "Cyan", "cyan"),
        ("TK-5270K", "black", "Noir", "black"),
        ("Schwarzer Toner", "black", "Noir", "black"),
        ("Photo Black Ink", "black", "Noir photo", "black"),
        ("Tri-color Ink Cartridge", "", "Trois couleurs", "plain"),
        ("Waste Toner", "", "Collecteur de toner usagé", "plain"),
        ("Waste Toner Container 108R01416", "", "Collecteur de toner usagé", "plain"),
        ("Used Toner Box", "", "Collecteur de toner usagé", "plain"),
        ("Maintenance Box", "", "Collecteur d'encre usagée", "plain"),
        ("Black Drum Cartridge", "black", "Tambour (noir)", "black"),
        ("Imaging Unit (Cyan)", "", "Tambour (cyan)", "cyan"),
        ("Drum Unit", "", "Tambour", "plain"),
        ("Fuser Unit", "", "Four", "plain"),
        ("Image Transfer Belt", "", "Courroie de transfert", "plain"),
        ("Transfer Roller Unit", "", "Rouleau de transfert", "plain"),
        ("Developer (Black)", "", "Développeur (noir)", "black"),
        ("Maintenance Kit", "", "Kit de maintenance", "plain"),
        ("Staples", "", "Agrafes", "plain"),
        ("Toner", "", "Toner", "plain"),
        ("Recovery Vessel", "", "Recovery Vessel", "plain"),
        ("Toner Sensor Shield", "", "Toner Sensor Shield", "plain"),
        ("Encre noire", "", "Encre noire", "plain"),
        ("", "", "", "plain"),
    ],
)
def test_a_supply_is_said_in_words_or_as_the_machine_says_it(spelled: str, colour: str, french: str, tint: str) -> None:
    said = said_supply(LiveSupply(spelled, colour, 0.25), FR)
    assert (said.name, said.tint, said.share, said.level) == (french, tint, 0.25, "25\u00a0%")


def test_the_english_page_has_one_spelling_too() -> None:
    names = ("BLACK TONER CARTRIDGE", "waste toner box", "Drum Cartridge (Cyan)")
    assert [said_supply(LiveSupply(name, "", None), EN).name for name in names] == [
        "Black",
        "Waste toner collector",
        "Drum (cyan)",
    ]


def test_a_tray_says_what_lies_in_it_and_how_much() -> None:
    said = [
        said_tray(LiveTray("by-pass-tray", "iso_a4_210x297mm", None), FR),
        said_tray(LiveTray("Tray 1", "", 0.5), FR),
        said_tray(LiveTray("Tray 2", "iso_a3_297x420mm", 0.5, empty=True), FR),
    ]
    assert [(one.name, one.share, one.level) for one in said] == [
        ("Bac auxiliaire (A4)", None, "niveau inconnu"),
        ("Bac 1", 0.5, "50\u00a0%"),
        ("Bac 2 (A3)", 0.0, "vide"),
    ]
