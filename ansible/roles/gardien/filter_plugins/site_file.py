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


def site_queues(site: dict[str, Any]) -> list[dict[str, str]]:
    """Return the print queues to make: one row per queue of each IPP device."""
    return [
        {"name": queue, "uri": printer["uri"], "label": printer.get("label") or name}
        for name, printer in site.get("printers", {}).items()
        if printer.get("kind") == "ipp"
        for queue in printer.get("queues", ())
    ]


class FilterModule:
    """Ansible looks this name up."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by their names in templates."""
        return {"from_toml": from_toml, "site_services": site_services, "site_queues": site_queues}
