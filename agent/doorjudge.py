"""What is wrong with a site's door: its lock, wires, readers, and who may enter. `agent.sitejudge` judges the rest."""

from __future__ import annotations

from collections.abc import Iterator

from agent.config import INPUTS, OUTPUTS, STRIKES, ReaderConfig, Site
from agent.faults import Fault, Keys, needed, one_line, one_of, within

LAST_LINE = 511  # of a GPIO chip: how many there really are, the chip says when it is opened


def judge_readers(site: Site) -> Iterator[Fault]:
    """Judge every card reader."""
    places = ("door", *site.printers) if site.door is not None else tuple(site.printers)
    devices: dict[str, str] = {}
    for name, reader in site.readers.items():
        path = ("readers", name)
        yield from one_of((*path, "kind"), reader.kind, ("serial", "sim"))
        yield from one_of((*path, "at"), reader.at, places)
        yield from one_of((*path, "frame"), reader.frame, ("rdm6300", "line"))
        yield from one_of((*path, "byte_order"), reader.byte_order, ("as-sent", "reversed"))
        yield from one_of((*path, "direction"), reader.direction, ("in", "out"))
        yield from within((*path, "baud"), reader.baud, 300, 921_600)
        yield from _judge_line(path, reader)
        if reader.kind == "serial":
            yield from needed((*path, "device"), reader.device, reader.kind)
            if (other := devices.setdefault(reader.device, name)) != name:
                yield Fault((*path, "device"), f"le même port que readers.{other}", f"the same port as readers.{other}")


def _judge_line(path: Keys, reader: ReaderConfig) -> Iterator[Fault]:
    for key, text in (("line_prefix", reader.line_prefix), ("line_end", reader.line_end)):
        if not text.isascii() or (key == "line_end" and not text):
            yield Fault((*path, key), "attend de l'ASCII, et une fin de ligne non vide", "expects ASCII, and some end")


def judge_door(site: Site) -> Iterator[Fault]:
    """Judge the lock, its wires and its times."""
    if site.door is None:
        return
    lock, path = site.door.lock, ("door", "lock")
    for name in site.door.first_in:
        yield from one_of(("door", "first_in"), name, tuple(site.formulas))
    yield from within(("door", "booking_early_min"), site.door.booking_early_min, 0, 60)
    yield from one_of((*path, "kind"), lock.kind, ("gpio", "sim"))
    yield from one_of((*path, "strike"), lock.strike, STRIKES)
    for key, value in (("key_box", site.door.key_box), ("night_phone", site.door.night_phone)):
        yield from one_line(("door", key), value)
    yield from within((*path, "hold_s"), lock.hold_s, 0.2, lock.cap_s)
    yield from within((*path, "cap_s"), lock.cap_s, 0.5, 60)
    yield from within((*path, "line"), lock.line, 0, LAST_LINE)
    yield from within(("door", "held_s"), site.door.held_s, 1, 86_400)
    if lock.kind == "gpio":
        yield from needed((*path, "chip"), lock.chip, lock.kind)
    for name, wired in site.door.inputs.items():
        yield from one_of(("door", "inputs", name), name, INPUTS)
        yield from within(("door", "inputs", name, "bounce_s"), wired.bounce_s, 0, 1)
        yield from one_of(("door", "inputs", name, "pull"), wired.pull, ("", "up", "down", "floating"))
    for name, sign in site.door.outputs.items():
        yield from one_of(("door", "outputs", name), name, OUTPUTS)
        yield from within(("door", "outputs", name, "flash_s"), sign.flash_s, 0.05, 10)
    taken = {lock.line: "door.lock"}
    for kind, wires in (("inputs", site.door.inputs), ("outputs", site.door.outputs)):
        for name, wire in wires.items():
            at, here = ("door", kind, name, "line"), f"door.{kind}.{name}"
            yield from within(at, wire.line, 0, LAST_LINE)
            if (other := taken.setdefault(wire.line, here)) != here:
                fr, en = f"la ligne {wire.line} sert déjà à {other}", f"line {wire.line} is already used by {other}"
                yield Fault(at, fr, en)


def judge_formulas(site: Site) -> Iterator[Fault]:
    """Judge what each formula may do at the door; whoever opens the day must be able to come in before the others."""
    for name, formula in site.formulas.items():
        yield from one_of(("formulas", name, "access"), formula.access, ("always", "hours", "never"))
        yield from one_of(("formulas", name, "without_clock"), formula.without_clock, ("", "open", "refuse"))
        if formula.access == "never" and formula.without_clock == "open":
            yield Fault(
                ("formulas", name, "without_clock"),
                'cette formule n\'ouvre jamais la porte : retirez la clé, ou écrivez access = "hours"',
                'this formula never opens the door: remove the key, or write access = "hours"',
            )
    openers = site.door.first_in if site.door else ()
    if any(site.formulas[name].access == "never" for name in openers if name in site.formulas):
        yield Fault(
            ("door", "first_in"),
            "nomme une formule qui n'entre jamais : personne n'ouvrirait la journée",
            "names a formula that never enters: nobody would open the day",
        )
