"""What all tests stand on."""

from __future__ import annotations

from hypothesis import settings

# A law is about values, not about how busy the machine is: no deadline per example (pytest-timeout minds hangs).
settings.register_profile("house", deadline=None)
settings.load_profile("house")
