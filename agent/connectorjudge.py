"""What is wrong with the copy-control connectors of a site file: their lines, and who is to badge beside them."""

from __future__ import annotations

from collections.abc import Iterator

from agent.config import ConnectorConfig, Site
from agent.doorjudge import LAST_LINE
from agent.faults import Fault, needed, one_of, within


def judge_connectors(site: Site) -> Iterator[Fault]:
    """Judge every [printers.NAME.connector], and whether a printer that counts by one has it."""
    taken = _door_lines(site)
    for name, printer in site.printers.items():
        path, wired = ("printers", name), printer.connector
        if wired is None:
            if printer.copies == "connector":
                yield Fault(
                    (*path, "connector"),
                    f"manque : décrivez le câblage dans [printers.{name}.connector], ou changez copies",
                    f"is missing: describe the wiring in [printers.{name}.connector], or change copies",
                )
            continue
        if printer.copies != "connector":
            yield Fault(
                (*path, "copies"),
                'un connecteur est câblé mais ne compte pas : écrivez copies = "connector", ou ôtez la section',
                'a connector is wired but does not count: write copies = "connector", or remove the section',
            )
        if not any(reader.at == name for reader in site.readers.values()):
            yield Fault(
                (*path, "connector"),
                f'sans lecteur à côté personne ne pourrait copier : ajoutez [readers.…] avec at = "{name}"',
                f'without a reader beside it nobody could copy: add [readers.…] with at = "{name}"',
            )
        yield from _judge_wiring((*path, "connector"), wired)
        yield from _judge_lines((*path, "connector"), wired, taken)


def _judge_wiring(path: tuple[str, ...], wired: ConnectorConfig) -> Iterator[Fault]:
    yield from one_of((*path, "kind"), wired.kind, ("gpio", "sim"))
    yield from one_of((*path, "pull"), wired.pull, ("", "up", "down", "floating"))
    yield from within((*path, "pulse_s"), wired.pulse_s, 0.001, 0.5)
    yield from within((*path, "pulses_per_click"), wired.pulses_per_click, 1, 100)
    if wired.kind == "gpio":
        yield from needed((*path, "chip"), wired.chip, wired.kind)


def _judge_lines(path: tuple[str, ...], wired: ConnectorConfig, taken: dict[tuple[str, int], str]) -> Iterator[Fault]:
    lines = {"enable": wired.enable, "pulse": wired.pulse}
    optional = {"colour": wired.colour, "large": wired.large, "sheet": wired.sheet}
    for key, line in (*lines.items(), *optional.items()):
        at = (*path, key)
        if key in optional and line == -1:
            continue
        yield from within(at, line, 0, LAST_LINE)
        here = ".".join(at)
        if wired.kind == "gpio" and (other := taken.setdefault((wired.chip, line), here)) != here:
            yield Fault(at, f"la ligne {line} sert déjà à {other}", f"line {line} is already used by {other}")


def _door_lines(site: Site) -> dict[tuple[str, int], str]:
    """Return the lines the door has, by chip."""
    if site.door is None or site.door.lock.kind != "gpio":
        return {}
    chip = site.door.lock.chip
    taken = {(chip, site.door.lock.line): "door.lock"}
    for kind, wires in (("inputs", site.door.inputs), ("outputs", site.door.outputs)):
        taken |= {(chip, wire.line): f"door.{kind}.{name}" for name, wire in wires.items()}
    return taken
