"""The lessor's contract in words: one sentence a line, for the page and the terminal. Pure."""

from __future__ import annotations

from agent.config import PrinterConfig
from agent.rules.contract import ContractLine, Terms
from agent.views.words import Words


def terms_of(config: PrinterConfig) -> Terms:
    """Return the terms of a device's contract; without one, a click a side and nothing included."""
    said = config.contract
    if said is None:
        return Terms(a3_clicks=config.a3_clicks, device_a3_clicks=config.a3_clicks)
    return Terms(said.mono_included, said.colour_included, said.a3_clicks, config.a3_clicks)


def contract_sentence(t: Words, line: ContractLine) -> str:
    """Say one line of a contract."""
    what = t(f"counters.{line.colour}")
    read = t("counters.read", what=what, ours=line.ours, start=line.start, end=line.end)
    pack = t("counters.package", included=line.included, beyond=line.beyond) if line.included else ""
    more = t(f"counters.invoice_{line.verdict}", invoiced=line.invoiced or 0, n=abs(line.difference or 0))
    return " ".join(filter(None, (read, pack, more)))
