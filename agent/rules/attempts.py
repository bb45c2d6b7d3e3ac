"""Says which spooled job a device's record carried out, and whether it was sent again because something of ours died.

The one idea: *the backend in the print path heard the device give the number*. Its note (contract.SpoolAttempt) joins
what the device knows (its own job-id, what came out) to what the spooler knows (whose job, RFC 8011 section 5.3),
exactly, where name and time could only guess.

A note is a hint and is corroborated: the device must have kept the same user as the note (where either has none the
note is believed: CUPS sends a nameless job as somebody's, "anonymous"), and of several notes of one device job-id (ids
start over at another machine) the newest counts. A print that nobody noted is nobody's attempt here, and is looked for
by its user elsewhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile

from agent.rules.folding import fold_user
from drivers.contract import DeviceJob, JobState, SpoolJob
from drivers.spooling import SpoolAttempt

IPP = ("gardien:ipp:", "gardien:ipps:")  # device URIs with our backend before them: without it there are no notes
UNDER_WAY = 50  # the newest notes, among which are those of attempts under way


@dataclass(frozen=True, slots=True)
class Sent:
    """How a device's job came to it."""

    note: SpoolAttempt
    system: bool  # an earlier attempt of the same job reached the device, and the spooler died before it heard the end

    @property
    def spooled(self) -> str:
        """Return the name of the spooled job: its id alone may be given out twice."""
        return f"{self.note.queue}/{self.note.job}/{self.note.created_s}"


class Notebook:
    """The notes of one device's queues."""

    def __init__(self, notes: Iterable[SpoolAttempt] = ()) -> None:
        self.notes = tuple(notes)  # oldest first
        self._of_device: dict[int, list[SpoolAttempt]] = defaultdict(list)
        self._of_job: dict[tuple[str, int, int], list[SpoolAttempt]] = defaultdict(list)
        for note in self.notes:
            self._of_job[_job(note)].append(note)
            if note.device_job is not None:
                self._of_device[note.device_job].append(note)

    def sent(self, job: DeviceJob) -> Sent | None:
        """Return how `job` came to the device; None if no note says."""
        user = fold_user(job.user)
        for note in reversed(self._of_device.get(job.job, ())):
            said = fold_user(note.user)
            if not user or not said or user == said:
                return self._sent(note)
        return None

    def taken(self, job: SpoolJob) -> tuple[Sent, ...]:
        """Return the attempts of a spooled job that the device has taken, oldest first."""
        notes = self._of_job.get((job.queue, job.job, job.created_s), ())
        return tuple(self._sent(note) for note in notes if note.device_job is not None)

    def noted(self, job: SpoolJob) -> tuple[SpoolAttempt, ...]:
        """Return what was noted of a spooled job, oldest first."""
        return tuple(self._of_job.get((job.queue, job.job, job.created_s), ()))

    def alone(self, sent: Sent) -> bool:
        """Return True if its job was sent once: what the spooler claims of the job, it claims of this attempt."""
        return len(self._of_job[_job(sent.note)]) == 1

    def refused(self, job: SpoolJob) -> bool:
        """Return True if the device took no attempt of a job that did not complete, and the spooler lived to hear it.

        Over IPP the device gives its number before it is sent a document (Create-Job, RFC 8011 section 4.2.4). Other
        ways to a device give none, and prove nothing.
        """
        notes = self._of_job.get((job.queue, job.job, job.created_s), ())
        heard = all(note.device_job is None and note.code is not None and note.heard for note in notes)
        return bool(notes) and heard and job.state is not JobState.COMPLETED and job.device_uri.startswith(IPP)

    def awaits(self, user: str) -> bool:
        """Return True if an attempt of `user` is under way of which the device's number is not known yet."""
        return any(
            note.device_job is None and note.code is None and fold_user(user) in {"", fold_user(note.user)}
            for note in self.notes[-UNDER_WAY:]
        )

    def _sent(self, note: SpoolAttempt) -> Sent:
        return Sent(note, system=any(map(_broken_off, self._before(note))))

    def _before(self, note: SpoolAttempt) -> Iterable[SpoolAttempt]:
        return takewhile(lambda other: other is not note, self._of_job[_job(note)])


def _job(note: SpoolAttempt) -> tuple[str, int, int]:
    return note.queue, note.job, note.created_s


def _broken_off(before: SpoolAttempt) -> bool:
    """Return True if it reached the device and the spooler, which sent the job again, never knew how it ended."""
    return before.device_job is not None and not (before.heard and before.code is not None)
