"""What is wrong with the printing devices of a site file: queues, badges, screens, meters, the lessor's contract.

The one idea: *each fault says what to do*; a queue that could print a job twice, or a screen that anybody could stand
for, is found before it costs anybody anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from ipaddress import ip_address
from urllib.parse import urlsplit

from agent.config import BILLS_FROM, COPIES, ContractConfig, PrinterConfig, Site, out_queue
from agent.faults import Fault, Keys, one_of, within
from agent.rules.hours import Quiet

METER_FILES = ("standard", "canon", "ricoh", "kyocera")  # of drivers/meters


def judge_printers(site: Site) -> Iterator[Fault]:
    """Judge [spooler] and every [printers.NAME]."""
    if site.spooler is not None:
        yield from one_of(("spooler", "kind"), site.spooler.kind, ("cups", "sim"))
    yield from _judge_addresses(site)
    queues: dict[str, str] = {}
    for name, printer in site.printers.items():
        path = ("printers", name)
        yield from one_of((*path, "kind"), printer.kind, ("ipp", "sim"))
        yield from within((*path, "poll_s"), printer.poll_s, 0.5, 3600)
        yield from within((*path, "visit_idle_s"), printer.visit_idle_s, 5, 3600)
        yield from within((*path, "a3_clicks"), printer.a3_clicks, 1, 2)
        yield from _judge_meters(path, printer)
        if printer.kind == "ipp" and not _is_ipp(printer.uri):
            yield Fault((*path, "uri"), "attend une adresse ipp://HÔTE/CHEMIN", "expects ipp://HOST/PATH")
        yield from within((*path, "keep_h"), printer.keep_h, 1, 720)
        yield from _judge_badge_queues(site, name)
        yield from _judge_screens(site, name)
        yield from _judge_billing(site, name)
        for queue in printer.queues:
            if (other := queues.setdefault(queue, name)) != name:
                yield Fault(
                    (*path, "queues"),
                    f"la file « {queue} » imprime déjà sur printers.{other}",
                    f"the queue {queue!r} already prints to printers.{other}",
                )
        if printer.queues and site.spooler is None:
            yield Fault(
                (*path, "queues"),
                "des files mais pas de section [spooler] ; ajoutez-la",
                "queues but no [spooler] section; add it",
            )


def _judge_addresses(site: Site) -> Iterator[Fault]:
    """Judge that no two names are one machine: each would book whatever it prints."""
    places: dict[tuple[str, int, str], str] = {}
    for name, printer in site.printers.items():
        if printer.kind == "ipp" and _is_ipp(printer.uri):
            parts = urlsplit(printer.uri)
            place = (parts.hostname or "", parts.port or 631, parts.path.rstrip("/"))
            if (other := places.setdefault(place, name)) != name:
                yield Fault(
                    ("printers", name, "uri"),
                    f"la même adresse que printers.{other} : chaque impression serait comptée deux fois ; ôtez-en une",
                    f"the same address as printers.{other}: every print would be counted twice; remove one",
                )


def _judge_billing(site: Site, name: str) -> Iterator[Fault]:
    """Judge from which level a print without a badge is billed: something must be able to reach it."""
    path, bills_from = ("printers", name, "bills_from"), site.printers[name].bills_from
    yield from one_of(path, bills_from, BILLS_FROM)
    if bills_from == "claimed-host" and not any(site.intake(one) for one in site.printers):
        yield Fault(
            path,
            "aucun poste ne peut être prouvé : ajoutez un lecteur et des badge_queues, ou mettez « authenticated »",
            'no host can be proven: add a reader and badge_queues, or set "authenticated"',
        )


def _judge_meters(path: Keys, printer: PrinterConfig) -> Iterator[Fault]:
    yield from one_of((*path, "copies"), printer.copies, COPIES)
    yield from one_of((*path, "meters"), printer.meters, ("", *METER_FILES))
    yield from within((*path, "snmp_port"), printer.snmp_port, 1, 65535)
    yield from within((*path, "snmp_version"), printer.snmp_version, 1, 2)
    if printer.contract is not None:
        yield from _judge_contract((*path, "contract"), printer.contract)
    if len(printer.code_columns) not in {0, 2, 3}:
        yield Fault(
            (*path, "code_columns"),
            "attend les titres du code, des copies noires et, s'il y en a, des copies couleur",
            "expects the titles of the code, of mono and, where there are any, of colour copies",
        )
    if printer.meters and not printer.snmp:
        yield Fault(
            (*path, "snmp"),
            'manque : les compteurs se lisent en SNMP ; ajoutez par exemple snmp = "public"',
            'is missing: meters are read over SNMP; add for example snmp = "public"',
        )
    try:
        if printer.off != "closed":
            Quiet.parse(printer.off)
    except ValueError as error:
        yield Fault((*path, "off"), 'attend "closed" ou des heures, par exemple "20:00-07:30"', str(error))


def _judge_contract(path: Keys, contract: ContractConfig) -> Iterator[Fault]:
    from agent.rules.contract import FUNCTIONS  # noqa: PLC0415  (1 MB, of all services, for whoever has no contract)

    yield from within((*path, "a3_clicks"), contract.a3_clicks, 1, 2)
    yield from within((*path, "mono_included"), contract.mono_included, 0, 10_000_000)
    yield from within((*path, "colour_included"), contract.colour_included, 0, 10_000_000)
    yield from _judge_amount((*path, "package_price"), contract.package_price, 100_000)
    yield from _judge_amount((*path, "mono_price"), contract.mono_price, 10)
    yield from _judge_amount((*path, "colour_price"), contract.colour_price, 10)
    for name, line in contract.functions.items():
        here = (*path, "functions", name)
        yield from one_of(here, name, FUNCTIONS)
        yield from within((*here, "included"), line.included, 0, 10_000_000)
        yield from _judge_amount((*here, "price"), line.price, 10)
    yield from _judge_split(path, contract)


def _judge_amount(path: Keys, price: Decimal | None, most: int) -> Iterator[Fault]:
    if price is not None and price.is_finite():
        yield from within(path, float(price), 0, most)
    elif price is not None:
        yield Fault(path, "attend un montant, par exemple 0.0045", "expects an amount, for example 0.0045")


def _judge_split(path: Keys, contract: ContractConfig) -> Iterator[Fault]:
    """Judge that no side is invoiced twice, or not at all, where prints and copies are apart."""
    wholes = {
        "mono": contract.mono_included or contract.mono_price,
        "colour": contract.colour_included or contract.colour_price,
    }
    for colour, whole in wholes.items():
        pair = {f"print-{colour}", f"copy-{colour}"}
        there = pair & set(contract.functions)
        for missing in sorted(pair - there) if there else ():
            yield Fault(
                (*path, "functions", missing),
                "manque : impressions et copies vont ensemble ; ajoutez la section, même sans prix",
                "is missing: prints and copies go together; add the section, even without a price",
            )
        if there and whole:
            yield Fault(
                (*path, f"{colour}_price"),
                f"chaque face compterait deux fois : ôtez {colour}_included et {colour}_price, ou ces fonctions",
                f"each side would count twice: take out {colour}_included and {colour}_price, or these functions",
            )


def _judge_screens(site: Site, name: str) -> Iterator[Fault]:
    """Judge the addresses of the screens beside a copier."""
    path, screens = ("printers", name, "screens"), site.printers[name].screens
    for screen in screens:
        try:
            ip_address(screen)
        except ValueError:
            yield Fault(
                path,
                f"« {screen[:40]} » n'est pas une adresse : écrivez par exemple 192.168.10.21, réservée à l'écran",
                f"{screen[:40]!r} is no address: write for example 192.168.10.21, reserved for it",
            )
    if screens and not site.intake(name):
        yield Fault(
            path,
            "rien n'attend de badge à ce copieur : ajoutez un lecteur et des badge_queues, ou ôtez screens",
            "nothing waits for a badge at this copier: add a reader and badge_queues, or take screens out",
        )


def _judge_badge_queues(site: Site, name: str) -> Iterator[Fault]:
    """Judge the queues that wait for a badge: there must be a reader to badge at, and no job may take two ways."""
    path = ("printers", name, "badge_queues")
    waiting = site.printers[name].badge_queues
    direct = {queue for printer in site.printers.values() for queue in printer.queues} | set(
        map(out_queue, site.printers)
    )
    for queue in waiting:
        if queue in direct:
            yield Fault(
                path,
                f"la file « {queue} » imprime aussi sans badge ; lui donner un autre nom",
                f"the queue {queue!r} prints without a badge too; give it another name",
            )
    if waiting and not any(reader.at == name for reader in site.readers.values()):
        yield Fault(
            path,
            f'aucun lecteur à côté : ajouter [readers.…] avec at = "{name}", ou mettre ces files dans queues',
            f'no reader beside it: add [readers.…] with at = "{name}", or name these queues in queues',
        )
    if waiting and site.spooler is None:
        yield Fault(
            path, "des files mais pas de section [spooler] ; ajoutez-la", "queues but no [spooler] section; add it"
        )


def _is_ipp(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
        return parts.scheme == "ipp" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
