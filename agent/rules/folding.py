r"""Folds the many spellings of one print name into one.

The one idea: systems decorate a name (`DOMAIN\user`, `user@laptop.local`, `AzureAD\Élodie Martin`), people do not mean
anything by it. Case, accents, width, and the number of spaces do not tell two people apart either. What is left is
compared as it is: no guessing, `alice` and `alicia` stay two.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache


@lru_cache(1024)  # pure, and the same few names come again with every job
def fold_user(user: str) -> str:
    r"""Fold a print user name: domain, host, case, accents and spaces do not matter. "" of nothing printable."""
    bare = user.rsplit("\\", 1)[-1].split("@", 1)[0]
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", bare).casefold())
    signs = "".join(
        sign for sign in plain if not unicodedata.combining(sign) and (sign.isprintable() or sign.isspace())
    )
    return " ".join(signs.split())
