"""What a print spooler shows beside its jobs: notes of the print path, page log, settings. Part of `drivers.contract`.

The one idea: *each is a witness with a name of its own*, so that a rule can lay them side by side: the note heard the
device, the page log was written by the scheduler, the settings say how far either can be believed. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SpoolAttempt:
    """One run of the backend in the print path for one job: which job-id the device gave it.

    The same job may be sent several times (the device was busy, CUPS was killed in the middle, somebody printed it
    again): each is an attempt of its own. A hint where to find the device's record, never a count.
    """

    name: str  # of this run, unique
    queue: str
    job: int  # of the spooler, with `created_s`: see SpoolJob
    created_s: int
    user: str  # as claimed
    began_s: float  # Unix seconds, by this machine's clock
    device_job: int | None  # the device's job-id; None: it has not taken the job (yet)
    code: int | None  # how the backend ended, 0 well, negative a signal; None: it has not, or was killed
    heard: bool = True  # False: it ended when the spooler that had started it was dead


@dataclass(frozen=True, slots=True)
class LoggedJob:
    """One line of the spooler's page log: it began to print this job. A witness that has to be corroborated."""

    job: int
    created_s: int
    queue: str
    sides: int  # as the spooler claims them, summed over its attempts


@dataclass(frozen=True, slots=True)
class PageLogLook:
    """What the page log says anew."""

    lines: tuple[LoggedJob, ...] = ()
    strange: int = 0  # whole lines that are not of the form we asked for


@dataclass(frozen=True, slots=True)
class SpoolSettings:
    """What the spooler runs by, as far as metering depends on it."""

    conf: str  # the text of cupsd.conf(5); "" if we may not read it
    uris: Mapping[str, str]  # queue -> device URI, with our backend's scheme before it if it stands in the print path
    bell: bool  # the folder where the backend notes its attempts is there, and our bell hangs in it
    page_log: bool  # its page log can be read
    proven: frozenset[str] = frozenset()  # queues that take no job without a password
