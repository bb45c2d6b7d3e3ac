"""The key of the card hashes, in a file beside the roster: made once, whole or not at all.

The one idea: *without the key a copied database names no card*. So it is never made anew while there are cards: that
would lock everybody out without a word. HMAC (RFC 2104) with SHA-256: the key is as long as the hash.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from agent.memory.codec import LedgerError

KEY_BYTES = 32


def card_hashing_key(path: Path, cards: int) -> bytes:
    """Return the key of the card hashes, making it once, whole or not at all. Raises LedgerError, OSError."""
    if not path.exists():
        if cards:
            raise LedgerError(f"{path} is missing, and {cards} cards need it: restore it from the backup")
        aside = path.with_name(f".{path.name}.{os.getpid()}")
        with aside.open("wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        aside.chmod(0o640)
        aside.replace(path)
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise LedgerError(f"{path} is damaged: it holds {len(key)} bytes instead of {KEY_BYTES}")
    return key
