"""What a site must have thought of before it opens: `gardien check` asks, a running service never stops for it.

The one idea: who has paid to come in at 3 a.m. must not find a dead box and nobody to call. What a door does without
current is decided by its lock, not by us, so it is said before the site is installed and not found out in a storm.
French first, English second.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from agent.config import Site

COUNTED = re.compile(r"/dev/tty(USB|ACM)\d+")  # by the order in which they were plugged in


def gaps(site: Site) -> list[str]:
    """Return what is missing at a site whose members may come at any hour: the declared plan B of its door."""
    door = site.door
    if door is None or not any(formula.access == "always" for formula in site.formulas.values()):
        return []
    asked = (
        ("key_box", door.key_box, "où est la boîte à clés, sans son code", "where the key box is, without its code"),
        ("night_phone", door.night_phone, "le numéro qui répond la nuit", "the number that answers at night"),
    )
    return [
        f"[door] {key} manque : des membres ont accès à toute heure ; écrivez {fr} — "
        f"is missing: members may come at any hour; write {en}"
        for key, value, fr, en in asked
        if not value.strip()
    ]


def notices(site: Site) -> Iterator[str]:
    """Yield what whoever installs the site should know of its door."""
    door = site.door
    if door is None:
        return
    if door.lock.fail_safe:
        yield (
            "[door.lock] strike : cette serrure tient par le courant ; une coupure, ou l'arrêt de ce boîtier, "
            "déverrouille la porte — this lock holds by current: a power cut, or this box ending, unlocks the door"
        )
    if not door.sees_leaving:
        yield (
            "[door] aucune ouverture ne sera dite « sans autorisation » : rien ne dit qui sort — "
            "no opening will be called forced: nothing tells who goes out"
        )
    if not any(one.at == "door" and one.direction == "in" for one in site.readers.values()):
        yield (
            "[readers] aucun lecteur dehors : aucune carte n'ouvrira la porte — "
            "no reader outside: no card will open the door"
        )
    for name, one in site.readers.items():
        if COUNTED.fullmatch(one.device):
            yield (
                f"[readers.{name}] device : {one.device} peut devenir celui d'un autre appareil ; prenez son nom dans "
                "/dev/serial/by-id — this name may become another device's: take the one in /dev/serial/by-id"
            )
