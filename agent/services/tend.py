"""`gardien tend`: the nightly one-shot. It forgets what is too old, proves what is left, and says what fills up.

CUPS keeps all its jobs (MaxJobs 0), so that an outage of ours loses none; what is `SPOOLED_DAYS` old and behind the
ledger's cursor is taken out of its history here, and the notes of the print path with it.

The chain's head that it prints goes to the journal: an anchor off the ledger, for `gardien ledger verify --against`.
Where the time is not trusted nothing is forgotten: a wrong clock must not erase.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import drivers
from agent.certificates import CertificateError, issue
from agent.config import Places, Site, SpoolerConfig
from agent.memory.ledger import Ledger, verify
from agent.rules.retention import TRUSTED
from agent.rules.spool import SpoolRead
from drivers.contract import Clock, DriverError, Moment

SPOOLED_DAYS = 30  # how long CUPS remembers an ended job
LOW_BYTES = 200 * 1024 * 1024  # half a year of facts, and room for a checkpoint


@dataclass(frozen=True, slots=True)
class Tended:
    """One thing that was looked after."""

    well: bool
    says: str


def tend(site: Site, places: Places, clock: Clock) -> Iterator[Tended]:
    """Do the night's work, one step after the other. Raises LedgerError."""
    file = places.state / "ledger.db"
    now = clock.now()
    with Ledger.open(file) as ledger:
        if site.spooler is not None and now.trust in TRUSTED:
            yield _prune(site.spooler, ledger, now)
        if now.trust in TRUSTED:
            gone = ledger.redact(now, ZoneInfo(site.site.timezone))
            counts = ", ".join(f"{count} {kind}" for kind, count in sorted(gone.items()) if count) or "nothing"
            yield Tended(well=True, says=f"forgotten: {counts}")
        else:
            yield Tended(well=False, says=f"nothing forgotten: the time is {now.trust}")
    verdict = verify(file)
    yield Tended(verdict.ok, str(verdict))
    if site.web.authority and now.trust in TRUSTED:
        yield _signed(site, places, now.utc)
    free = shutil.disk_usage(places.state).free
    yield Tended(free >= LOW_BYTES, f"{free // (1024 * 1024)} MB free for the ledger")


def _signed(site: Site, places: Places, now: datetime) -> Tended:
    """Sign the site's certificate anew where it ends soon; the web service takes it by itself."""
    try:
        new = issue(site, places, now)
        return Tended(well=True, says="the certificate was signed anew" if new else "the certificate is good")
    except (CertificateError, OSError) as error:
        return Tended(well=False, says=f"the certificate: {error}")


def _prune(spooler: SpoolerConfig, ledger: Ledger, now: Moment) -> Tended:
    cursor = ledger.last(SpoolRead)
    if cursor is None or not isinstance(cursor.fact, SpoolRead):
        return Tended(well=True, says="print queue: nothing read yet, nothing pruned")
    up_to, before_s = (cursor.fact.job, cursor.fact.created_s), now.utc.timestamp() - SPOOLED_DAYS * 86400
    try:
        notes, jobs = drivers.prune_spooler(spooler.kind, spooler.server, spooler.attempts, up_to, before_s)
    except DriverError as error:
        return Tended(well=False, says=f"print queue not pruned: {error}")
    return Tended(well=True, says=f"print queue: {jobs} old jobs and {notes} notes pruned")
