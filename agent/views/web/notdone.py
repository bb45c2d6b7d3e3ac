"""Which sentences after a form say no.

The one idea: a person who glances at the page must not take "wrong code" for "done". What was asked for and was not
done, only half done, or may not be in force stands as a fault (colour, and an alert to a screen reader: WAI-ARIA 1.2,
`alert`); everything else is a status. What was so already is no fault: it stands as the person wants it.
"""

from __future__ import annotations

NOT_DONE = frozenset(  # wording keys
    {
        "charge.ended",
        "charge.gone",
        "charge.not-named",
        "charge.unknown",
        "charge.unsure",
        "counters.choose",
        "counters.no_file",
        "counters.not_numbers",
        "held.nothing",
        "hours.unheard",
        "impressions.choose",
        "impressions.not_always",
        "impressions.not_written",
        "impressions.nothing",
        "lockdown.unheard",
        "lost.blocked_unheard",
        "me.waiting.gone",
        "me.waiting.released",
        "me.waiting.unsure",
        "payers.choose",
        "payers.unsure",
        "porte.locked_down",
        "porte.mute_contact",
        "porte.no_latch",
        "porte.no_time",
        "porte.not_moved",
        "porte.silent",
        "porte.too_late",
        "porte.too_long",
        "porte.too_many",
        "porte.whom_missing",
        "porte.wrong_pin",
        "restart.unknown",
        "review.impossible",
        "review.not_written",
        "review.unclear",
        "visites.here_already",
        "visites.in_future",
        "visites.no_day",
        "visites.no_time",
        "visites.nobody_chosen",
        "visites.not_here",
        "visites.not_written",
        "visites.order",
        "visites.overlap",
        "visites.skipped",
        "visites.too_long",
        "visites.too_old",
        "visites.unknown",
        "visites.why_missing",
    }
)
