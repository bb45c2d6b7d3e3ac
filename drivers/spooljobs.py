"""A row of CUPS's job list, and what it says (RFC 8011 section 5.3).

The one idea: *ask for little, believe less*. Titles are never asked for; numbers that CUPS leaves out are 0; counts are
passed on as claims. Pure: `drivers.spooler` does the asking.
"""

from __future__ import annotations

from collections.abc import Mapping

from drivers.contract import JobState, Moment, SpoolJob

WHOLE = "job-impressions-completed"  # not in CUPS's cache: naming it makes CUPS load an old job whole
ATTRIBUTES = [
    "job-id",
    "job-printer-uri",
    "job-state",
    "job-state-reasons",
    "time-at-creation",
    "job-originating-user-name",
    "job-originating-host-name",
    "job-uuid",
    "job-account-id",
    "copies",
    "document-format",
    WHOLE,
    "job-media-sheets-completed",
]
NAMES = ["job-id", "time-at-creation"]
STATES = {
    3: JobState.PENDING,
    4: JobState.HELD,
    5: JobState.PROCESSING,
    6: JobState.STOPPED,
    7: JobState.CANCELED,
    8: JobState.ABORTED,
    9: JobState.COMPLETED,
}  # RFC 8011 section 5.3.7
GIVEN_UP = "job-completed-with-errors"  # a filter failed: a document nobody can read


def queue_of(attributes: Mapping[str, object]) -> str:
    """Return the queue a job stands in."""
    return str(attributes.get("job-printer-uri", "")).rsplit("/", 1)[-1]


def spool_job(
    at: Moment, job: int, device_uri: str, attributes: Mapping[str, object], *, authenticated: bool
) -> SpoolJob:
    """Return what one row says. `authenticated`: its queue takes no job without a password."""
    return SpoolJob(
        at=at,
        queue=queue_of(attributes),
        job=job,
        created_s=number(attributes.get("time-at-creation")),
        user=str(attributes.get("job-originating-user-name", "")),
        state=state_of(attributes),
        uuid=str(attributes.get("job-uuid", "")),
        claimed_sides=number(attributes.get("job-impressions-completed")),
        claimed_sheets=number(attributes.get("job-media-sheets-completed")),
        device_uri=device_uri,
        host=str(attributes.get("job-originating-host-name", "")),
        authenticated=authenticated,
        account=str(attributes.get("job-account-id") or ""),
        copies=number(attributes.get("copies")) or 1,
        format=str(attributes.get("document-format") or ""),
    )


def state_of(attributes: Mapping[str, object]) -> JobState:
    """Return a job's state. What the filters of CUPS could not read stands stopped for ever: that has ended."""
    state = STATES.get(number(attributes.get("job-state")), JobState.PENDING)
    reasons = attributes.get("job-state-reasons")
    given_up = GIVEN_UP in (reasons if isinstance(reasons, list) else [reasons])
    return JobState.ABORTED if given_up and state is JobState.STOPPED else state


def number(value: object) -> int:
    """Return a non-negative whole number; CUPS leaves out what it does not know."""
    return max(0, value) if isinstance(value, int) else 0
