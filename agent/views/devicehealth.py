"""How a printing device is, in numbers for `metrics`: since when its reasons stand, its queue, its trays. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from agent.views.state import DeviceLine

REASONS_KEPT = 16  # of one device at once: a device that raves must not flood a database
REASON_LENGTH = 64
HEALTH = (
    ("printer_reason_since_timestamp_seconds", "When a printer-state-reason began to stand.", "reason"),
    ("printer_jobs_waiting", "Jobs of the spooler that have not ended."),
    ("printer_jobs_stuck", "Jobs that print for ten minutes without a side."),
    ("printer_queue_depth", "Jobs in the device itself."),
    ("printer_meters_silent", "1 while its SNMP meters do not answer."),
    (
        "printer_copy_control_lost",
        "1 while its copy-control connector does not work: nobody can copy, or nothing counts.",
    ),
    ("tray_level_ratio", "Paper in a tray, 0 to 1.", "tray"),
)


def health_of(device: DeviceLine) -> Iterator[tuple[str, float, *tuple[str, ...]]]:
    """Yield the name, the value and the labels beside `device` of each sample."""
    for reason in sorted(set(device.reasons))[:REASONS_KEPT]:
        if (since := device.ages.get(reason)) is not None:
            yield "printer_reason_since_timestamp_seconds", since.timestamp(), reason[:REASON_LENGTH]
    yield "printer_jobs_waiting", device.waiting
    yield "printer_jobs_stuck", device.stuck
    yield "printer_meters_silent", device.meters_silent
    yield "printer_copy_control_lost", device.control_lost
    if device.queued is not None:
        yield "printer_queue_depth", device.queued
    trays = {tray.name[:REASON_LENGTH]: 0.0 if tray.empty else tray.level_share for tray in device.trays}
    for name, level in trays.items():
        if level is not None:
            yield "tray_level_ratio", level, name
