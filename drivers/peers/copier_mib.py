"""What the emulated copier says over SNMP: the Printer-MIB, and the private tree of the vendor it plays.

The one idea: the numbers are those of the paper that left it (`copier_machine`), laid out as each vendor lays them out:
Canon by the counter numbers of its service menu, Ricoh as names and values, Kyocera by function and colour. Written
from the same public sources as `drivers/meters`, but apart from them: a mistake in one shows against the other.
"""

from __future__ import annotations

from drivers.peers.agent import Oid, Value, counter, dotted, integer, octets
from drivers.peers.copier_machine import Machine

VENDORS = ("", "canon", "ricoh", "kyocera", "acme")
PRINTER = (1, 3, 6, 1, 2, 1, 43)
SYSTEM = (1, 3, 6, 1, 2, 1, 1)
OBJECTS = {"canon": "1.3.6.1.4.1.1602.4.7", "ricoh": "1.3.6.1.4.1.367.1.1", "kyocera": "1.3.6.1.4.1.1347.41"}
CODES = {"media-empty-error": (808, 3), "media-jam-error": (8, 3), "cover-open-error": (3, 3), "toner-empty-error": (1101, 3), "toner-low-warning": (1104, 4)}  # fmt: skip  # noqa: E501


def mib(machine: Machine, vendor: str, ahead: int = 0) -> dict[Oid, Value]:
    """Return the tree now. `ahead` is what its meters had counted before this emulation began."""
    rows: dict[Oid, Value] = {
        (*SYSTEM, 1, 0): octets(f"Gardien Copier ({vendor or 'standard'})"),
        (*SYSTEM, 2, 0): Value(0x06, dotted(OBJECTS.get(vendor, "1.3.6.1.4.1.99999.1"))),
        (*PRINTER, 5, 1, 1, 17, 1): octets(machine.serial),
        (*PRINTER, 10, 2, 1, 3, 1, 1): integer(7),
        (*PRINTER, 10, 2, 1, 4, 1, 1): counter(machine.counters.sides + ahead),
    }
    for number, (colour, share) in enumerate(machine.levels.items(), 1):
        supply = (*PRINTER, 11, 1, 1)
        rows[*PRINTER, 12, 1, 1, 4, 1, number] = octets(colour)
        rows[*supply, 3, 1, number] = integer(number)
        rows[*supply, 6, 1, number] = octets(f"{colour.title()} Toner")
        rows[*supply, 8, 1, number] = integer(100)
        rows[*supply, 9, 1, number] = integer(round(share * 100))
    tray = (*PRINTER, 8, 2, 1)
    rows[*tray, 9, 1, 1] = integer(500)
    rows[*tray, 10, 1, 1] = integer(-3 if machine.tray is None else machine.tray)
    rows[*tray, 12, 1, 1] = octets("iso_a4_210x297mm")
    rows[*tray, 13, 1, 1] = octets("Cassette 1")
    for number, reason in enumerate(machine.reasons(), 1):
        code, severity = CODES.get(reason, (1, 4))
        rows[*PRINTER, 18, 1, 1, 2, 1, number] = integer(severity)
        rows[*PRINTER, 18, 1, 1, 7, 1, number] = integer(code)
    return rows | {"canon": _canon, "ricoh": _ricoh, "kyocera": _kyocera}.get(vendor, _nothing)(machine, ahead)


def _nothing(machine: Machine, ahead: int) -> dict[Oid, Value]:
    del machine, ahead
    return {}


def _canon(machine: Machine, ahead: int) -> dict[Oid, Value]:
    life, base = machine.counters, dotted("1.3.6.1.4.1.1602.1.11.1.3.1.4")
    colour = life.print_colour + life.copy_colour
    numbers = {
        101: life.sides + ahead, 112: 0, 113: life.sides - colour + ahead, 122: 0, 123: colour,
        201: life.copy_mono + life.copy_colour, 229: 0, 230: life.copy_colour,
        301: life.print_mono + life.print_colour + ahead, 321: 0, 322: life.print_colour, 501: 77,
    }  # fmt: skip
    return {(*base, number): counter(count) for number, count in numbers.items()}


def _ricoh(machine: Machine, ahead: int) -> dict[Oid, Value]:
    life, base = machine.counters, dotted("1.3.6.1.4.1.367.3.2.1.2.19.5.1")
    named = (
        ("Counter: Machine Total", life.sides + ahead),
        ("Counter:Copy:Total", life.copy_mono + life.copy_colour),
        ("Counter:Copy:Black & White", life.copy_mono),
        ("Counter:Copy:Single/Two-color", 0),
        ("Counter:Copy:Full Color", life.copy_colour),
        ("Counter:FAX:Total", 3),
        ("Counter:Print:Total", life.print_mono + life.print_colour + ahead),
        ("Counter:Print:Black & White", life.print_mono + ahead),
        ("Counter:Print:Full Color", life.print_colour),
    )
    rows: dict[Oid, Value] = {}
    for number, (name, count) in enumerate(named, 1):
        rows[*base, 5, number] = octets(name)
        rows[*base, 9, number] = integer(count)
    return rows


def _kyocera(machine: Machine, ahead: int) -> dict[Oid, Value]:
    life, base = machine.counters, dotted("1.3.6.1.4.1.1347.42.3.1.2.1.1")
    counts = {
        (1, 1): life.print_mono + ahead, (1, 2): 0, (1, 3): life.print_colour,
        (2, 1): life.copy_mono, (2, 2): 0, (2, 3): life.copy_colour, (4, 1): 0,
    }  # fmt: skip
    return {(*base, *place): counter(count) for place, count in counts.items()}
