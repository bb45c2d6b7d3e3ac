"""What is wrong with a site's links, and with what they ask of the internet. `agent.sitejudge` judges the rest.

The one idea: a link that is watched the wrong way is worse than one that nobody watches, for it is believed. A target
that is the box itself answers while the line is dead; two links that look at one box die and live together; a page
whose words never come is a portal for ever. So what can be seen to be wrong in the file is a fault of the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address

from agent.config import LINES, InternetConfig, LinkConfig, Site
from agent.faults import Fault, Keys, needed, one_line, one_of, within

MOST_TARGETS = 10  # of one link: beyond that the probes themselves are a load
MOST_SAID = 1000  # bytes of a page's first words: what is looked at also holds its header (`drivers.canary.HEAD`)
LOCAL = tuple(IPv4Network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))  # RFC 1918
NAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+")  # RFC 1035 section 2.3.4


def judge_links(site: Site) -> Iterator[Fault]:
    """Judge every link, and that no two are one."""
    for name, link in site.links.items():
        yield from _judge_link(("links", name), link)
    yield from _judge_boxes(site)
    labels: dict[str, str] = {}
    for name, link in site.links.items():
        if (other := labels.setdefault((link.label or name).casefold(), name)) != name:
            yield Fault(
                ("links", name, "label"),
                f"le même nom que links.{other} : personne ne saurait lequel est en panne",
                f"the same name as links.{other}: nobody would know which of them is down",
            )


def judge_internet(site: Site) -> Iterator[Fault]:
    """Judge what every link asks."""
    config = site.internet
    for key, value in (("resolver", config.resolver), ("canary_at", config.canary_at), ("rate_at", config.rate_at)):
        if value:
            yield from _address(("internet", key), value)
    for answer in config.answers:
        yield from _address(("internet", "answers"), answer)
    yield from _judge_pages(config)
    if config.name and not NAME.fullmatch(config.name):
        yield Fault(("internet", "name"), "attend un nom, par exemple example.org", "expects a name, like example.org")
    asked: list[tuple[Keys, object]] = [
        (("internet", "answers"), config.answers),
        (("internet", "resolver"), config.resolver),
        *((("links", name, "resolver"), link.resolver) for name, link in site.links.items()),
    ]
    for path, what in asked:
        if what and not config.name:
            yield Fault(
                path,
                "ne sert à rien sans [internet] name, le nom à demander, par exemple example.org",
                "is of no use without [internet] name, the name to ask for, like example.org",
            )
    yield from within(("internet", "rate_month_mib"), config.rate_month_mib, 0, 1000)


def _judge_pages(config: InternetConfig) -> Iterator[Fault]:
    for key, page, at in (("canary", config.canary, config.canary_at), ("rate", config.rate, config.rate_at)):
        if page and not re.fullmatch(r"http://[A-Za-z0-9.-]{1,253}(?:/[!-~]*)?", page):
            yield Fault(
                ("internet", key),
                "attend http://NOM/CHEMIN, sans s ni port",
                "expects http://NAME/PATH, not https, and no port",
            )
        if bool(page) != bool(at):
            yield Fault(
                ("internet", f"{key}_at"),
                f"{key} et {key}_at vont ensemble : la page, et l'adresse IPv4 de son serveur",
                f"{key} and {key}_at go together: the page, and its server's IPv4 address",
            )
    if config.canary_says and not config.canary:
        yield Fault(("internet", "canary_says"), "ne sert à rien sans canary", "is of no use without canary")
    if len(config.canary_says.encode()) > MOST_SAID:
        yield Fault(
            ("internet", "canary_says"),
            f"les premiers mots de la page suffisent, {MOST_SAID} octets au plus",
            f"the page's first words are enough, at most {MOST_SAID} bytes",
        )


def _address(path: Keys, value: str) -> Iterator[Fault]:
    """Judge the address of a machine."""
    try:
        address = IPv4Address(value)
    except AddressValueError:
        if _is_ipv6(value):
            fr = "est une adresse IPv6, qui n'est pas sondée : donnez l'adresse IPv4"
            en = "is an IPv6 address, which is not probed: give the IPv4 address"
        else:
            fr = "n'est pas une adresse IPv4 (un nom ne convient pas : le DNS peut être en panne)"
            en = "is not an IPv4 address (no names: DNS may be what is broken)"
        yield Fault(path, f"« {value} » {fr}", f"{value!r} {en}")
        return
    if address.is_unspecified or address.is_loopback or address.is_multicast or address.is_reserved:
        yield Fault(
            path,
            f"« {value} » n'est l'adresse d'aucune machine du réseau",
            f"{value!r} is the address of no machine of the network",
        )


def _is_ipv6(value: str) -> bool:
    try:
        IPv6Address(value)
    except AddressValueError:
        return False
    return True


def _judge_link(path: Keys, link: LinkConfig) -> Iterator[Fault]:
    yield from one_of((*path, "kind"), link.kind, ("scapy", "sim"))
    yield from one_line((*path, "label"), link.label)
    yield from within((*path, "interval_s"), link.interval_s, 0.2, 300)
    if link.kind == "scapy":
        yield from needed((*path, "interface"), link.interface, link.kind)
        yield from needed((*path, "gateway"), link.gateway, link.kind)
        yield from needed((*path, "targets"), link.targets, link.kind)
    if link.interface and (not re.fullmatch(r"[^\s/:]{1,15}", link.interface) or link.interface in {"lo", ".", ".."}):
        yield Fault(  # netdevice(7) IFNAMSIZ
            (*path, "interface"),
            "attend le nom d'une carte réseau, par exemple eth1 : `ip -br link` les montre",
            "expects the name of a network interface, for example eth1: `ip -br link` shows them",
        )
    if link.line:
        yield from one_of((*path, "line"), link.line, LINES)
    for key, rate in (("down_mbit_s", link.down_mbit_s), ("up_mbit_s", link.up_mbit_s)):
        yield from within((*path, key), rate, 0, 10_000)
    yield from within((*path, "data_cap_gb"), link.data_cap_gb, 0, 100_000)
    yield from _judge_box_counters((*path, "box_counters"), link)
    yield from _judge_addresses(path, link)


def _judge_addresses(path: Keys, link: LinkConfig) -> Iterator[Fault]:
    if link.gateway_mac and not _is_box(link.gateway_mac):
        yield Fault(
            (*path, "gateway_mac"),
            "attend l'adresse MAC de la box, par exemple 02:aa:bb:cc:dd:ee : `ip neigh` la montre",
            "expects the box's MAC address, for example 02:aa:bb:cc:dd:ee: `ip neigh` shows it",
        )
    for key, value in (("gateway", link.gateway), ("resolver", link.resolver)):
        if value:
            yield from _address((*path, key), value)
    for target in link.targets:
        faults = list(_address((*path, "targets"), target))
        yield from faults
        if not faults and any(IPv4Address(target) in net for net in LOCAL):
            yield Fault(
                (*path, "targets"),
                f"« {target} » est une adresse du lieu, qui répond aussi quand la ligne est coupée ;"
                " une cible est loin, sur internet",
                f"{target!r} is an address of the site, which answers while the line is dead; a target is far away",
            )
    if len(set(link.targets)) < len(link.targets) or len(link.targets) > MOST_TARGETS:
        yield Fault(
            (*path, "targets"),
            f"chaque cible une seule fois, {MOST_TARGETS} au plus",
            f"each target once only, at most {MOST_TARGETS}",
        )


def _is_box(mac: str) -> bool:
    """Tell whether a MAC may be that of one machine: not of a group (IEEE 802 clause 8.2), not of nobody."""
    if not re.fullmatch(r"(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}", mac):
        return False
    return not int(mac[:2], 16) & 1 and bool(int(mac.replace(":", ""), 16))


def _judge_boxes(site: Site) -> Iterator[Fault]:
    """Find links that look at one box: of two on one interface, their MACs differ, or else their addresses."""
    links = [(name, link) for name, link in site.links.items() if link.kind == "scapy" and link.interface]
    for number, (name, link) in enumerate(links):
        for other, first in links[:number]:
            macs = {link.gateway_mac.lower(), first.gateway_mac.lower()}
            apart = len(macs - {""}) == 2 or (link.gateway != first.gateway and macs == {""})
            if link.interface == first.interface and not apart:
                yield Fault(
                    ("links", name, "gateway_mac"),
                    f"la même carte que links.{other}, et rien ne distingue leurs box :"
                    " donnez à chacun la gateway_mac de la sienne",
                    f"the same interface as links.{other}, and nothing tells their boxes apart:"
                    " give each the gateway_mac of its own",
                )


def _judge_box_counters(path: Keys, link: LinkConfig) -> Iterator[Fault]:
    asked = link.box_counters
    if asked is None:
        return
    if not re.fullmatch(r"[!-~]{1,64}", asked.community):
        yield Fault(
            (*path, "community"),
            "attend le mot de passe en lecture (« community ») de la box, par exemple public",
            "expects the box's read-only community, for example public",
        )
    yield from within((*path, "if_index"), asked.if_index, 1, 2**31 - 1)
