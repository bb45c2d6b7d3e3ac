"""The shape of a site: one frozen tree, filled from the site file by `agent.sitefile`.

Every section but [site] is optional: one link, no printer, a door only are all valid sites. Units stand last in
names; the comment beside each key is its documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

EXIT_CONFIG = 78  # EX_CONFIG of sysexits.h: systemd is told not to retry


@dataclass(frozen=True, slots=True)
class SiteCard:
    """[site]: who this place is."""

    name: str  # "La Cordée Morez"
    code: str  # "morez": in metrics and file names; lower-case letters, digits, dashes
    timezone: str = "Europe/Paris"
    language: str = "fr"  # the pages' language when the visitor asks for none
    help_phone: str = ""  # whom to call; shown in remedies


@dataclass(frozen=True, slots=True)
class LinkConfig:
    """[links.NAME]: one internet link."""

    kind: str  # "scapy" | "sim"
    label: str = ""  # the provider's name as people say it: "Orange"; default: NAME
    interface: str = ""  # "eth1"
    gateway: str = ""  # the box's IPv4 address
    targets: tuple[str, ...] = ()  # IPv4 addresses of different operators
    interval_s: float = 1.0  # one round of probes (gateway and every target) per interval


@dataclass(frozen=True, slots=True)
class SpoolerConfig:
    """[spooler]: the print spooler of this site."""

    kind: str  # "cups" | "sim"
    server: str = "/run/cups/cups.sock"  # socket path or host:port


@dataclass(frozen=True, slots=True)
class PrinterConfig:
    """[printers.NAME]: one printing device."""

    kind: str  # "ipp" | "sim"
    label: str = ""  # as people say it: "le copieur"
    uri: str = ""  # "ipp://192.0.2.10/ipp/print"
    queues: tuple[str, ...] = ()  # the CUPS queues that print to it
    poll_s: float = 15.0  # how often the device is looked at when no bell rings
    visit_idle_s: float = 90.0  # a copy visit ends after this long without a copy


@dataclass(frozen=True, slots=True)
class ReaderConfig:
    """[readers.NAME]: one card reader."""

    kind: str  # "serial" | "sim"
    at: str  # "door", or the NAME of the printer it stands beside
    device: str = ""  # stable path, e.g. /dev/serial/by-id/...
    baud: int = 9600
    frame: str = "rdm6300"  # "rdm6300" (EM4100, 125 kHz) | "line" (one ASCII hex line per card)
    line_prefix: str = ""  # frame = "line": bytes before the number
    line_end: str = "\r\n"  # frame = "line"
    byte_order: str = "as-sent"  # frame = "line": "as-sent" | "reversed"
    direction: str = "in"  # "in" | "out"


@dataclass(frozen=True, slots=True)
class LockConfig:
    """[door.lock]: the relay."""

    kind: str  # "gpio" | "sim"
    chip: str = ""  # GPIO chip by label ("pinctrl-bcm2711"), or "board:PATH" for the emulated board
    line: int = 17  # BCM number
    active_high: bool = True
    hold_s: float = 5.0  # how long one grant releases
    cap_s: float = 10.0  # the latch never releases longer than this, whatever is asked


@dataclass(frozen=True, slots=True)
class InputConfig:
    """[door.inputs.NAME]: one digital input ("contact", "exit_button")."""

    line: int
    active_high: bool = True  # contact: active = door open; exit_button: active = pressed
    bounce_s: float = 0.02
    pull: str = ""  # "up" for a contact that switches to ground, "down", "floating"; "" = towards inactive


@dataclass(frozen=True, slots=True)
class DoorConfig:
    """[door]: one door."""

    lock: LockConfig
    inputs: Mapping[str, InputConfig] = field(default_factory=dict)
    label: str = "la porte"
    held_s: float = 60.0  # open longer than this is "held"


@dataclass(frozen=True, slots=True)
class FormulaConfig:
    """[formulas.NAME]: what members of this formula may do at the door."""

    access: str  # "always" | "hours" | "never"
    label: str = ""


@dataclass(frozen=True, slots=True)
class WebConfig:
    """[web]: the pages and /metrics."""

    listen: str = "127.0.0.1:8080"
    billing_token_file: str = ""  # file with the token that opens /metrics/billing; empty: closed


DEFAULT_FORMULAS: Mapping[str, FormulaConfig] = {
    "subscriber": FormulaConfig("always", "abonné"),
    "occasional": FormulaConfig("hours", "occasionnel"),
}
DEFAULT_HOURS: Mapping[str, tuple[str, ...]] = dict.fromkeys(
    ("monday", "tuesday", "wednesday", "thursday", "friday"), ("09:00-18:00",)
)


@dataclass(frozen=True, slots=True)
class Site:
    """The whole site file."""

    site: SiteCard
    hours: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: DEFAULT_HOURS)  # "monday" = ["09:00-18:00"]
    formulas: Mapping[str, FormulaConfig] = field(default_factory=lambda: DEFAULT_FORMULAS)
    links: Mapping[str, LinkConfig] = field(default_factory=dict)
    spooler: SpoolerConfig | None = None
    printers: Mapping[str, PrinterConfig] = field(default_factory=dict)
    readers: Mapping[str, ReaderConfig] = field(default_factory=dict)
    door: DoorConfig | None = None
    web: WebConfig = field(default_factory=WebConfig)
    tariff: str = ""  # path of the tariff file, relative to the site file

    @property
    def services(self) -> tuple[str, ...]:
        """Return the services this site runs; the page is always one of them."""
        paper = bool(self.printers) or self.spooler is not None
        wanted = (("links", bool(self.links)), ("paper", paper), ("door", self.door is not None), ("web", True))
        return tuple(name for name, runs in wanted if runs)


@dataclass(frozen=True, slots=True)
class Places:
    """Where things live on this machine: chosen by the caller, not by the site file."""

    state: Path  # ledger.db, roster.db, roster.key (survive a reboot)
    run: Path  # live/, ask/, intent/ (memory; gone at reboot)


class ConfigError(Exception):
    """A site or tariff file is wrong. `faults` has one sentence each, with file, line and remedy. Exit code 78."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults
