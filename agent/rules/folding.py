r"""Folds the many spellings of one print name, or of one title, into one.

The one idea: systems decorate a name (`DOMAIN\user`, `user@laptop.local`, `AzureAD\Élodie Martin`), people do not mean
anything by it. Case, accents, width, and the number of spaces do not tell two people apart either. What is left is
compared as it is: no guessing, `alice` and `alicia` stay two.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache


def fold_text(text: str) -> str:
    """Fold a header, a formula or a person's name: case, accents, spaces and the kind of apostrophe do not matter."""
    plain = unicodedata.normalize("NFKD", text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")).casefold()
    bare = "".join(sign for sign in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(sign))
    return " ".join(bare.replace("_", " ").split()).strip(" .:°*")


@lru_cache(1024)  # pure, and the same few names come again with every job
def fold_user(user: str) -> str:
    r"""Fold a print user name: domain, host, case, accents and spaces do not matter. "" of nothing printable."""
    bare = user.rsplit("\\", 1)[-1].split("@", 1)[0]
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", bare).casefold())
    signs = "".join(
        sign for sign in plain if not unicodedata.combining(sign) and (sign.isprintable() or sign.isspace())
    )
    return " ".join(signs.split())
