"""The shape of a site: one frozen tree, filled from the site file by `agent.sitefile`.

Every section but [site] is optional: one link, no printer, a door only are all valid sites. Units stand last in
names; the comment beside each key is its documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from agent.rules.door import DoorPolicy
from drivers.probing import BoxCounters

COPIES = ("counters", "panel", "codes", "connector")  # how walk-up copies are counted: see PrinterConfig.copies
# what a name is worth without a badge: as the client writes it; from a host that a badge proved today; by a password
BILLS_FROM = ("claimed", "claimed-host", "authenticated")
# France; with Moselle's or Alsace's two more days (Code du travail L3134-13); overseas with the abolition of slavery
# (L3422-2) and what is kept there besides; "" none
HOLIDAYS = ("FR", "FR-57", "FR-6AE", "FR-971", "FR-972", "FR-973", "FR-974", "FR-976", "FR-BL", "FR-MF", "FR-PM", "")
# gâche à émission: fed to open, locked without current; gâche à rupture and ventouse: fed to hold, open without
STRIKES = ("emission", "rupture", "magnet")
OUTPUTS = ("granted", "refused", "degraded", "buzzer", "last_out")
INPUTS = ("contact", "exit_button", "lock_feedback", "call_point")
LINES = ("adsl", "vdsl", "ftth", "4g", "5g", "sat")
MEMBERS_USE = ("router", "two_wifi")
EXIT_CONFIG = 78  # EX_CONFIG of sysexits.h: systemd is told not to retry


@dataclass(frozen=True, slots=True)
class SiteCard:
    """[site]: who this place is."""

    name: str  # "La Cordée Morez"
    code: str  # "morez": in metrics and file names; lower-case letters, digits, dashes
    timezone: str = "Europe/Paris"
    language: str = "fr"  # the pages' language when the visitor asks for none
    help_phone: str = ""  # whom to call; shown in remedies
    controller: str = ""  # who is responsible for personal data (GDPR art. 4(7)), as the notice at the door says it
    contact: str = ""  # how to reach them about it: an e-mail address or a postal one
    address: str = ""  # what a browser opens, in the QR code: "https://192.168.1.2:8443/"; empty: as the page was asked
    wifi: str = ""  # the members' network's name, on the poster; no password
    members_use: str = "router"  # how members reach the links: "router" chooses for them, "two_wifi" they choose
    hostless: bool = False  # nobody runs this place on the spot: no page and no alert sends people to an animator
    ask: str = ""  # hostless: whom they turn to instead, "la mairie, 03 84 00 00 00"
    holidays: str = "FR"  # whose public holidays close the site, one of HOLIDAYS; "" none

    @property
    def asked_instead(self) -> str:
        """Return whom people turn to instead of an animator; "" where there is one."""
        return self.ask if self.hostless else ""


@dataclass(frozen=True, slots=True)
class LinkConfig:
    """[links.NAME]: one internet link."""

    kind: str  # "scapy" | "sim"
    label: str = ""  # the provider's name as people say it: "Orange"; default: NAME
    interface: str = ""  # "eth1"
    gateway: str = ""  # the box's IPv4 address
    targets: tuple[str, ...] = ()  # IPv4 addresses of different operators, far away: never of the site's own network
    interval_s: float = 1.0  # one round of probes (gateway, first hop and every target) per interval
    gateway_mac: str = ""  # two boxes on one interface: which of them is this link's, "02:aa:bb:cc:dd:ee"
    box_counters: BoxCounters | None = None  # where the box counts its line's bytes; none: it is not asked
    resolver: str = ""  # the DNS server this link's box hands out; "": not asked
    line: str = ""  # what it is, one of LINES; "": not said. Its remedies follow
    down_mbit_s: float = 0.0  # what the contract says; 0: not said
    up_mbit_s: float = 0.0
    data_cap_gb: int = 0  # what the contract allows a month; with a cap no rate is measured. 0: no cap


@dataclass(frozen=True, slots=True)
class InternetConfig:
    """[internet]: what is known out there, asked by every link. Addresses, so that no DNS is in the way."""

    resolver: str = ""  # a public DNS server's IPv4 address; "": not asked
    name: str = ""  # asked of each link's resolver and the public one; "": neither is asked
    answers: tuple[str, ...] = ()  # its known addresses; none: any address will do
    canary: str = ""  # a page whose content is known: "http://HOST/PATH"; "": portals are not looked for
    canary_at: str = ""  # its server's IPv4 address
    canary_says: str = ""  # what it begins with; "": it answers with status 204
    rate: str = ""  # a file of at least 1 MiB, "http://HOST/PATH", for the rate check; "": not measured
    rate_at: str = ""  # its server's IPv4 address
    rate_month_mib: int = 40  # at most so much a month and link for rate checks, also over restarts


@dataclass(frozen=True, slots=True)
class SpoolerConfig:
    """[spooler]: the print spooler of this site."""

    kind: str  # "cups" | "sim"
    server: str = "/run/cups/cups.sock"  # socket path or host:port
    attempts: str = "/var/spool/gardien"  # folder where the backend in the print path notes its attempts
    page_log: str = "/var/log/cups/page_log"  # CUPS's list of what it began to print: a witness


@dataclass(frozen=True, slots=True)
class FunctionConfig:
    """[printers.NAME.contract.functions.FUNCTION]: a line of the invoice of its own (rules.contract.FUNCTIONS)."""

    included: int = 0  # clicks a quarter
    price: Decimal | None = None  # euros a click beyond these, before taxes


@dataclass(frozen=True, slots=True)
class ContractConfig:
    """[printers.NAME.contract]: what the lessor's contract says for a quarter, in clicks."""

    mono_included: int = 0
    colour_included: int = 0
    a3_clicks: int = 1  # of the contract: an A3 side is invoiced as one click or as two
    package_price: Decimal = Decimal(0)  # euros a quarter before taxes, with what is included
    mono_price: Decimal | None = None  # euros a click beyond what is included, before taxes; none: no euros are told
    colour_price: Decimal | None = None
    functions: Mapping[str, FunctionConfig] = field(default_factory=dict)  # prints and copies apart, A3, fax, scans


@dataclass(frozen=True, slots=True)
class ConnectorConfig:
    """[printers.NAME.connector]: the copier's copy-control connector (the coin box's), through a relay and inputs.

    Every line of it that is wired, by BCM number; -1: not wired. Makers differ: the technician's manual says which.
    """

    kind: str = "gpio"  # "gpio" | "sim"
    chip: str = ""  # GPIO chip by label ("pinctrl-bcm2711"), or "board:PATH" for the emulated board
    enable: int = 23  # the relay whose contact lets the copier copy
    enable_active_high: bool = True
    pulse: int = 24  # one pulse for each click
    colour: int = -1  # active while what is clicked is in colour
    large: int = -1  # active while it is A3; without it an A3 side that clicks twice is counted as two sides
    sheet: int = -1  # one pulse for each sheet
    active_high: bool = False  # of these four: the machine pulls them to ground
    pull: str = ""  # "up" | "down" | "floating"; "" = towards inactive
    pulse_s: float = 0.01  # shorter is a spike, and a bounce within it no second pulse
    pulses_per_click: int = 1

    @property
    def inputs(self) -> Mapping[str, tuple[int, bool, float, str]]:
        """Return the wired inputs, each as (line, active_high, bounce_s, pull)."""
        lines = {"pulse": self.pulse, "colour": self.colour, "large": self.large, "sheet": self.sheet}
        how = (self.active_high, self.pulse_s, self.pull)
        return {name: (line, *how) for name, line in lines.items() if line >= 0}


@dataclass(frozen=True, slots=True)
class PrinterConfig:
    """[printers.NAME]: one printing device."""

    kind: str  # "ipp" | "sim"
    label: str = ""  # as people say it: "le copieur"
    uri: str = ""  # "ipp://192.0.2.10/ipp/print"
    queues: tuple[str, ...] = ()  # the CUPS queues that print to it at once, billed by the name they come under
    badge_queues: tuple[str, ...] = ()  # those whose jobs wait for a badge at the reader beside it; see Site.intake
    bills_from: str = "claimed"  # what nobody badged for is a member's from this level on, one of BILLS_FROM
    screens: tuple[str, ...] = ()  # addresses of the screens beside it where a member may choose who pays; see /copieur
    keep_h: float = 72.0  # a job nobody badged for is let go after this
    poll_s: float = 15.0  # how often the device is looked at when no bell rings
    visit_idle_s: float = 90.0  # a copy visit ends after this long without a copy
    a3_clicks: int = 1  # 2: this device's counters move by two for each A3 side
    copies: str = "counters"  # at each badge | "panel": a monthly relevé typed in | "codes": a CSV | "connector"
    snmp: str = ""  # its read-only community ("public"): meters and supplies are asked over SNMP; "" they are not
    snmp_version: int = 2  # 2 (v2c) | 1
    snmp_port: int = 161
    meters: str = ""  # a file of drivers/meters: "canon", "ricoh", "kyocera", "standard"; "" by what the device says
    code_columns: tuple[str, ...] = ()  # copies = "codes": the titles of code, mono, colour in the CSV; () finds them
    codes_cumulative: bool = True  # False: the device empties its code counters at each export
    contract: ContractConfig | None = None
    connector: ConnectorConfig | None = None  # copies = "connector": nobody copies without a badge
    off: str = ""  # when nobody wonders that it is switched off: "closed" (outside the hours) | "20:00-07:30" | ""


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
    active_high: bool = True  # a high level feeds the lock
    strike: str = "emission"  # what feeding does, one of STRIKES
    hold_s: float = 5.0  # how long one grant releases
    cap_s: float = 10.0  # the latch never releases longer than this, whatever is asked
    continuous: bool = False  # the lock stands being released for hours, in pulses of cap_s: an event window feeds it

    @property
    def fail_safe(self) -> bool:
        """Tell whether the lock opens without current: then a power cut, or this box ending, unlocks the door."""
        return self.strike in {"rupture", "magnet"}

    @property
    def released_high(self) -> bool:
        """Tell which level of the line lets people in. The latch rests at the other, fed or not."""
        return self.active_high != self.fail_safe


@dataclass(frozen=True, slots=True)
class InputConfig:
    """[door.inputs.NAME]: one digital input, one of INPUTS."""

    line: int
    active_high: bool = True  # active = door open; button pressed; lock unlocked; call point broken
    bounce_s: float = 0.02
    pull: str = ""  # "up" for a contact that switches to ground, "down", "floating"; "" = towards inactive


@dataclass(frozen=True, slots=True)
class OutputConfig:
    """[door.outputs.NAME]: one lamp or buzzer at the door, one of OUTPUTS."""

    line: int
    active_high: bool = True
    flash_s: float = 1.0  # how long it answers a card; "last_out": each of three blinks; "degraded" is lit while true


@dataclass(frozen=True, slots=True)
class DoorConfig:
    """[door]: one door."""

    lock: LockConfig
    inputs: Mapping[str, InputConfig] = field(default_factory=dict)
    outputs: Mapping[str, OutputConfig] = field(default_factory=dict)
    label: str = "la porte"
    held_s: float = 60.0  # open longer than this is "held"
    key_box: str = ""  # plan B: where the key is when the door does not open, "à droite du portail"; never its code
    night_phone: str = ""  # plan B: who answers at night
    first_in: tuple[str, ...] = ()  # formulas whose badge opens the day for access = "hours"; none: the hours do alone
    booking_early_min: float = 0.0  # a booking or a guest's code opens so long before its start
    free_handle: bool = False  # the inside handle opens without the exit button: an opening is then never "forced"

    @property
    def grace_s(self) -> float:
        """Return how long after a release an opening still belongs to it: as long as a pulse lasts, and some."""
        return max(10.0, self.lock.hold_s + 5.0)

    @property
    def sees_leaving(self) -> bool:
        """Tell whether an exit button tells of everybody who goes out."""
        return ("exit_button" in self.inputs or self.lock.kind == "sim") and not self.free_handle


@dataclass(frozen=True, slots=True)
class FormulaConfig:
    """[formulas.NAME]: what members of this formula may do at the door."""

    access: str  # "always" | "hours" | "never"
    label: str = ""
    without_clock: str = ""  # while the time is not trusted: "open" | "refuse" | "" opens for "always" alone


@dataclass(frozen=True, slots=True)
class WebConfig:
    """[web]: the pages and /metrics."""

    listen: str = "127.0.0.1:8080"  # HTTPS when certificate and key are given
    certificate: str = ""  # PEM file, the chain included; relative to the site file
    key: str = ""  # PEM file of its private key
    authority: bool = False  # no certificate is given: the box signs its own, for phones that trust its authority
    hosts: tuple[str, ...] = ()  # more names this site is called by in a browser; its address and CODE.local always are
    public_listen: str = ""  # plain HTTP for /ecran alone, e.g. "192.168.1.2:80"; empty: none
    billing_token_file: str = ""  # file with the token that opens /metrics/billing; empty: closed

    @property
    def encrypted(self) -> bool:
        """Tell whether the pages are spoken over TLS."""
        return self.authority or bool(self.certificate)


@dataclass(frozen=True, slots=True)
class AlertsConfig:
    """[alerts]: messages about incidents, sent by this box itself."""

    urls_file: str = "/etc/gardien/alerts.urls"  # one address a line, as apprise writes them; for root's eyes only
    level: str = "watch"  # from which level on: "watch" | "unknown" | "down"
    after_s: float = 60.0  # an incident is told when it has stood this long
    calm_s: float = 300.0  # and is over when it has been gone this long
    quiet: str = ""  # "22:00-07:00": what need not be told at once waits for the morning


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
    internet: InternetConfig = field(default_factory=InternetConfig)
    spooler: SpoolerConfig | None = None
    printers: Mapping[str, PrinterConfig] = field(default_factory=dict)
    readers: Mapping[str, ReaderConfig] = field(default_factory=dict)
    door: DoorConfig | None = None
    web: WebConfig = field(default_factory=WebConfig)
    alerts: AlertsConfig | None = None
    tariff: str = ""  # path of the tariff file, relative to the site file

    @property
    def door_policy(self) -> DoorPolicy:
        """Return who may enter when, as `rules.door` judges it. Raises ValueError for hours that are none."""
        door = self.door
        return DoorPolicy.parse(
            {name: one.access for name, one in self.formulas.items()},
            self.hours,
            {name: one.without_clock for name, one in self.formulas.items()},
            door.first_in if door else (),
            door.booking_early_min if door else 0.0,
        )

    def intake(self, printer: str) -> tuple[str, ...]:
        """Return the queues whose jobs wait for a badge at `printer`.

        Release by badge is the default: a printer with a reader beside it and no queue named has one, of its own name.
        """
        config = self.printers[printer]
        reader = any(reader.at == printer for reader in self.readers.values())
        if not config.badge_queues and not config.queues and reader and self.spooler is not None:
            return (printer,)
        return config.badge_queues

    @property
    def reads_codes(self) -> bool:
        """Tell whether a reader outside the door sends lines, as a keypad or a QR code's scanner does."""
        outside = (one for one in self.readers.values() if one.at == "door" and one.direction == "in")
        return any(one.frame == "line" or one.kind == "sim" for one in outside)

    @property
    def card_digits(self) -> int | None:
        """Return how many hexadecimal digits a card has, where all readers are for EM4100 cards; None: it varies."""
        return 10 if {(one.kind, one.frame) for one in self.readers.values()} == {("serial", "rdm6300")} else None

    @property
    def keep_h(self) -> float:
        """Return for how long jobs wait for a badge: a queue may wait for several printers, so the least of theirs."""
        return min((one.keep_h for name, one in self.printers.items() if self.intake(name)), default=0.0)

    @property
    def services(self) -> tuple[str, ...]:
        """Return the services this site runs; the page is always one of them."""
        paper = bool(self.printers) or self.spooler is not None
        wanted = (
            ("links", bool(self.links)),
            ("paper", paper),
            ("door", self.door is not None),
            ("web", True),
            ("alerts", self.alerts is not None),
        )
        return tuple(name for name, runs in wanted if runs)


def out_queue(printer: str) -> str:
    """Return the queue that released jobs of `printer` are moved to; it is announced to nobody."""
    return f"{printer}-direct"


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
