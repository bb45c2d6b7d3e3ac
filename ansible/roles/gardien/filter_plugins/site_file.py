"""Reads a site file for the role: TOML in, and which services such a building needs."""  # noqa: INP001  (Ansible loads it)

from __future__ import annotations

import tomllib
from typing import Any


def from_toml(text: str) -> dict[str, Any]:
    """Parse TOML. Raises tomllib.TOMLDecodeError, which Ansible shows as the task's failure."""
    return tomllib.loads(text)


def site_services(site: dict[str, Any]) -> list[str]:
    """Return the services this building runs: every section of a site file but [site] is optional."""
    wanted = {
        "door": "door" in site,
        "links": "links" in site,
        "paper": "printers" in site,
        "web": True,
        "alerts": "alerts" in site,
    }
    return [name for name, needed in wanted.items() if needed]


def site_queues(site: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the print queues to make, for each IPP device: those that print at once, and those that wait for a badge.

    A queue that waits is `held` (stopped, still accepting); its jobs leave through one that nobody is told of. `policy`
    is what CUPS asks of whoever prints: a password, where a print at once is billed by nothing less.
    """
    rows: dict[str, dict[str, Any]] = {}
    for name, printer in site.get("printers", {}).items():
        if printer.get("kind") != "ipp":
            continue
        waiting = _waiting(site, name, printer)
        wanted = [(queue, False, not waiting) for queue in printer.get("queues", ())]
        wanted += [(queue, True, True) for queue in waiting]
        wanted += [(f"{name}-direct", False, False)] if waiting else []
        for queue, held, shared in wanted:
            asks = queue in printer.get("queues", ()) and printer.get("bills_from") == "authenticated"
            row = {"name": queue, "uri": printer["uri"], "label": printer.get("label") or name}
            rows.setdefault(
                queue, {**row, "held": held, "shared": shared, "policy": "authenticated" if asks else "default"}
            )
    return list(rows.values())


def _waiting(site: dict[str, Any], name: str, printer: dict[str, Any]) -> tuple[str, ...]:
    """Return the queues whose jobs wait for a badge, as agent.config.Site.intake says it."""
    named = tuple(printer.get("badge_queues", ()))
    reader = any(reader.get("at") == name for reader in site.get("readers", {}).values())
    if not named and not printer.get("queues") and reader and "spooler" in site:
        return (name,)
    return named


class FilterModule:
    """Ansible looks this name up."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by their names in templates."""
        return {"from_toml": from_toml, "site_services": site_services, "site_queues": site_queues}
