"""Judges the settings of CUPS that metering stands on: what has drifted from what the Ansible role sets.

The one idea: *a setting is checked where it acts*, at run time, in the very file CUPS runs by: an upgrade, a hand or
another tool may have changed it since the role wrote it. Each drift costs something one would notice only on a bill:

  forgets   DirtyCleanInterval is not 0: a job that ended is forgotten by a crash within 30 s, its id given out again
  history   PreserveJobHistory is off or limited: jobs ended during an outage of ours are gone when we come back
  prunes    MaxJobs is not 0: the same, by number; `gardien tend` prunes instead, behind the cursor
  names     Get-Jobs is not kept to administrators: anybody in the space may read who prints
  purge     Cancel-Job, Cancel-My-Jobs or Purge-Jobs needs no password: anybody may take jobs out of the history
  log       PageLogFormat is not ours, or its file cannot be read: a title can forge lines, or there is no witness
  backend   a queue prints past our backend, or its bell hangs nowhere: who printed is a guess by name and time
  passwords a queue that has to ask for one (its printer bills from "authenticated" on) does not: all of it is nobody's
  unread    CUPS does not show us its settings: nothing of the above is known

Its text is read by `drivers.cupsdconf`. Defaults are those of CUPS 2.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from drivers.cupsdconf import Conf, read_conf
from drivers.spooling import SpoolSettings

PAGE_LOG_FORMAT = "%j %{time-at-creation} %p %P %C %{job-impressions-completed}"
BACKEND = "gardien:"  # how the device URI of a metered queue begins
PURGING = ("cancel-job", "cancel-my-jobs", "cancel-jobs", "purge-jobs")
YES = frozenset({"yes", "on", "true"})


class Drift(StrEnum):
    """What differs, by what it costs."""

    FORGETS = "forgets"
    HISTORY = "history"
    PRUNES = "prunes"
    NAMES = "names"
    PURGE = "purge"
    LOG = "log"
    BACKEND = "backend"
    PASSWORDS = "passwords"
    UNREAD = "unread"


def drifts(settings: SpoolSettings, asking: frozenset[str] = frozenset()) -> tuple[Drift, ...]:
    """Return what has drifted. `asking`: the queues that have to take no job without a password."""
    found = list(_of_conf(read_conf(settings.conf))) if settings.conf else [Drift.UNREAD]
    if settings.conf and not settings.page_log and Drift.LOG not in found:
        found.append(Drift.LOG)
    if not settings.bell or not all(uri.startswith(BACKEND) for uri in settings.uris.values()):
        found.append(Drift.BACKEND)
    if settings.conf and not asking <= settings.proven:
        found.append(Drift.PASSWORDS)
    return tuple(found)


def _of_conf(conf: Conf) -> tuple[Drift, ...]:
    top: Mapping[str, str] = conf.top
    names = conf.limit("get-jobs")
    checks = {
        Drift.FORGETS: top.get("dirtycleaninterval", "30") == "0",
        Drift.HISTORY: top.get("preservejobhistory", "yes").casefold() in YES,
        Drift.PRUNES: top.get("maxjobs", "500") == "0",
        Drift.NAMES: names.auth and names.who == frozenset({"@system"}),
        Drift.PURGE: all(conf.limit(operation).auth for operation in PURGING),
        Drift.LOG: top.get("pagelogformat", "") == PAGE_LOG_FORMAT,
    }
    return tuple(drift for drift, well in checks.items() if not well)
