"""A month of the links as a file for the provider: what was out, to the second, and what share that leaves.

The one idea: each row is one state of a link, and the sums below are the sums of the rows, so that a provider can add
them up. What nobody measured, and what was of our own doing, stand in the file and count for nobody.

CSV as in `views.exports` (UTF-8 with BOM, `;`, decimal comma, CRLF). Columns:
- Mois, Site, Lien: the month, the site's code, the link's label.
- Quoi: "coupure", "câble" (ours), "redémarrage" (of the box, by our own people), "non mesuré"; then one row each of
  "total mesuré", "total coupé", "total non mesuré", "total câble", "total redémarrage", and "disponibilité".
- Début, Fin: ISO 8601 with the offset of the site's wall clock; of a state that lasts, or that was cut at the edge of
  the month or of what is known, the edge.
- Secondes: how long, whole seconds: Fin less Début.
- Part: of "disponibilité" alone: percent of the measured time, four digits, never rounded up.
- Cause: `rules.linkfacts.Cause`. Compte: "oui" if it is in the share.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from agent.rules.linkfacts import OUT, Cause, Health
from agent.rules.linkpast import Past
from agent.rules.outages import Stretch, tally, within
from agent.views.exports import guarded

HEADERS = ("Mois", "Site", "Lien", "Quoi", "Début", "Fin", "Secondes", "Part", "Cause", "Compte")


def window_of(month: str, zone: tzinfo) -> tuple[datetime, datetime]:
    """Return [first midnight, midnight after the last) of "2026-11". Raises ValueError."""
    first = date.fromisoformat(f"{month}-01")
    beyond = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    since, until = (datetime.combine(day, time(), zone).astimezone(UTC) for day in (first, beyond))
    return since, until


def sheet(
    past: Past,
    labels: Mapping[str, str],
    whose: tuple[str, str],  # month, code of the site
    window: tuple[datetime, datetime],
    heard: datetime,
    zone: tzinfo,
) -> bytes:
    """Return the file of the links of `labels` (name -> label) within `window`; `heard`: see `rules.outages`."""
    text = io.StringIO()
    rows = csv.writer(text, delimiter=";", lineterminator="\r\n")
    rows.writerow(HEADERS)
    for name, label in labels.items():
        line = within(past.line(name, window[1], heard), *window)
        for row in (*_states(line, zone), *_sums(line, window)):
            rows.writerow((whose[0], guarded(whose[1]), guarded(label), *row))
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def _states(line: Iterable[Stretch], zone: tzinfo) -> Iterable[tuple[str, ...]]:
    for one in line:
        if one.health is not Health.UNKNOWN and one.health not in OUT:
            continue
        what = _what(one)
        edges = (
            one.since.astimezone(zone).isoformat("T", "seconds"),
            one.until.astimezone(zone).isoformat("T", "seconds"),
        )
        yield what, *edges, _seconds(one.until - one.since), "", one.cause, "oui" if what == "coupure" else "non"


def _what(one: Stretch) -> str:
    if one.health is Health.UNKNOWN:
        return "non mesuré"
    if one.restart:
        return "redémarrage"
    return "câble" if one.cause is Cause.CABLE else "coupure"


def _sums(line: Sequence[Stretch], window: tuple[datetime, datetime]) -> Iterable[tuple[str, ...]]:
    (sums,) = tally(line, [window])
    for what, span, counts in (
        ("total mesuré", sums.measured, "oui"),
        ("total coupé", sums.out, "oui"),
        ("total non mesuré", sums.gap, "non"),
        ("total câble", sums.ours, "non"),
        ("total redémarrage", sums.restart, "non"),
    ):
        yield what, "", "", _seconds(span), "", "", counts
    share = "" if sums.share is None else f"{math.floor(sums.share * 1_000_000) / 10_000:.4f}".replace(".", ",")
    yield "disponibilité", "", "", "", share, "", "oui"


def _seconds(span: timedelta) -> str:
    return str(round(span.total_seconds()))
