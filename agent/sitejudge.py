"""What is wrong with a site whose every value has its type: addresses, ranges, names that must agree.

`agent.sitefile` has read the file; here nothing is read any more but whether the tariff's file exists. Every fault is
found, none hides another, and each says what to do: French first, English second.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from agent.config import HOLIDAYS, MEMBERS_USE, Site
from agent.connectorjudge import judge_connectors
from agent.doorjudge import judge_door, judge_formulas, judge_readers
from agent.faults import Fault, Keys, one_line, one_of, within
from agent.linkjudge import judge_internet, judge_links
from agent.paperjudge import judge_printers
from agent.rules.hours import Quiet, WeeklyHours

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")  # of links, printers, readers: in labels of metrics and keys of facts


def judge_site(site: Site, folder: Path) -> Iterator[Fault]:
    """Yield everything that is wrong with `site`, whose file stands in `folder`."""
    yield from _judge_names(site)
    yield from _judge_card(site)
    yield from _judge_web(site)
    yield from judge_internet(site)
    yield from _judge_hours(site)
    yield from judge_links(site)
    yield from judge_printers(site)
    yield from judge_connectors(site)
    yield from judge_readers(site)
    yield from judge_door(site)
    yield from _judge_alerts(site)
    yield from judge_formulas(site)
    if site.tariff and not (folder / site.tariff).is_file():
        yield Fault(
            ("tariff",),
            f"le fichier « {site.tariff} » n'existe pas à côté du fichier de site",
            f"no file {site.tariff!r} beside the site file",
        )


def _judge_names(site: Site) -> Iterator[Fault]:
    """Names stand in facts, metrics and on the terminal: plain ones only, and no printer may be called as the door."""
    for section, names in (("links", site.links), ("printers", site.printers), ("readers", site.readers)):
        for name in names:
            if not NAME.fullmatch(name) or (section, name) == ("printers", "door"):
                yield Fault(
                    (section, name),
                    "un nom n'a que minuscules sans accent, chiffres, - et _ (32 au plus), et « door » est pris",
                    "a name has lower-case letters, digits, - and _ only (at most 32), and 'door' is taken",
                )


def _judge_card(site: Site) -> Iterator[Fault]:
    card = site.site
    yield from one_of(("site", "members_use"), card.members_use, MEMBERS_USE)
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,31}", card.code):
        yield Fault(
            ("site", "code"),
            "seulement des minuscules sans accent, chiffres et tirets (32 au plus)",
            "only lower-case letters, digits and dashes (at most 32)",
        )
    try:
        ZoneInfo(card.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield Fault(
            ("site", "timezone"),
            f"fuseau « {card.timezone} » inconnu ; par exemple Europe/Paris",
            f"unknown time zone {card.timezone!r}; for example Europe/Paris",
        )
    for key, value in (
        ("controller", card.controller),
        ("contact", card.contact),
        ("wifi", card.wifi),
        ("ask", card.ask),
    ):
        yield from one_line(("site", key), value)
    if card.hostless and not card.ask.strip():
        yield Fault(
            ("site", "ask"),
            "manque : sans animateur, dites à qui l'on s'adresse, par exemple ask = \"la mairie, 03 84 00 00 00\"",
            "is missing: without an animator, say whom people turn to",
        )
    if card.address and not re.fullmatch(r"https?://[A-Za-z0-9.\[\]:-]+/?", card.address):
        yield Fault(
            ("site", "address"),
            "attend l'adresse des pages, par exemple https://192.168.1.2:8443/",
            "expects the address of the pages, for example https://192.168.1.2:8443/",
        )
    yield from one_of(("site", "language"), card.language, ("fr", "en"))
    yield from one_of(("site", "holidays"), card.holidays, HOLIDAYS)


def _judge_web(site: Site) -> Iterator[Fault]:
    config = site.web
    yield from _listening(("web", "listen"), config.listen, "127.0.0.1:8080")
    if config.public_listen:
        yield from _listening(("web", "public_listen"), config.public_listen, "192.168.1.2:80")
    for given, missing, value in (("certificate", "key", config.key), ("key", "certificate", config.certificate)):
        if getattr(config, given) and not value:
            yield Fault(
                ("web", missing),
                f"manque : {given} ne sert à rien sans {missing}",
                f"is missing: {given} is of no use without {missing}",
            )
    if config.authority:
        yield from _judge_authority(site)
    for name in config.hosts:
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,253}", name):
            yield Fault(
                ("web", "hosts"),
                f"« {name} » n'est pas un nom ; sans https://, sans port, par exemple gardien.example.org",
                f"{name!r} is not a name; no https://, no port, for example gardien.example.org",
            )


def _judge_authority(site: Site) -> Iterator[Fault]:
    config = site.web
    if config.certificate or config.key:
        yield Fault(
            ("web", "authority"),
            "le boîtier signe son certificat lui-même : retirez certificate et key, ou authority",
            "the box signs its own certificate: remove certificate and key, or authority",
        )
    if config.listen.rpartition(":")[0] in {"0.0.0.0", "[::]"} and not site.site.address:  # noqa: S104
        yield Fault(
            ("web", "authority"),
            "demande [site] address, l'adresse des pages : le certificat doit la nommer",
            "needs [site] address, the address of the pages: the certificate must name it",
        )


def _listening(path: Keys, value: str, example: str) -> Iterator[Fault]:
    """Judge where to listen: an address and a port, and never an address of the internet."""
    host, _, port = value.rpartition(":")
    if not re.fullmatch(r"[^\s:/]+|\[[0-9a-fA-F:]+\]", host) or not re.fullmatch(r"\d{1,5}", port, re.ASCII):
        port = "0"
    if not 0 < int(port) < 65536:
        yield Fault(path, f"attend ADRESSE:PORT, par exemple {example}", f"expects ADDRESS:PORT, for example {example}")
        return
    with contextlib.suppress(ValueError):
        if ip_address(host.strip("[]")).is_global:
            yield Fault(
                path,
                f"{host} est une adresse d'internet ; les pages n'écoutent que sur le réseau du lieu",
                f"{host} is an address of the internet; the pages listen on the site's own network only",
            )


def _judge_hours(site: Site) -> Iterator[Fault]:
    for day, windows in site.hours.items():
        try:
            WeeklyHours.parse({day: windows})
        except ValueError as error:
            yield Fault(("hours", day), 'horaire illisible ; écrivez par exemple monday = ["09:00-18:00"]', str(error))


def _judge_alerts(site: Site) -> Iterator[Fault]:
    if site.alerts is None:
        return
    alerts = site.alerts
    yield from one_of(("alerts", "level"), alerts.level, ("watch", "unknown", "down"))
    yield from within(("alerts", "after_s"), alerts.after_s, 1, 3600)
    yield from within(("alerts", "calm_s"), alerts.calm_s, 1, 86_400)
    if not alerts.urls_file.startswith("/"):
        yield Fault(
            ("alerts", "urls_file"),
            "attend le chemin entier d'un fichier que seul root peut lire ; jamais une adresse ni un mot de passe ici",
            "expects the whole path of a file that only root can read; never an address or a password here",
        )
    try:
        Quiet.parse(alerts.quiet)
    except ValueError as error:
        yield Fault(("alerts", "quiet"), 'heures illisibles ; écrivez par exemple "22:00-07:00"', str(error))
