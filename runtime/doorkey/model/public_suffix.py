"""Public suffixes (com, co.uk, github.io): the names below which anybody may register, and which no cookie is for."""

from __future__ import annotations

from contextlib import suppress
from functools import cache, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList


@lru_cache(1024)
def is_public_suffix(host: str) -> bool:
    """Whether *host*, in lower case and with international names in Punycode, is a public suffix, as in browsers.

    A single label is one, whether the list knows it or not.
    """
    host = host.strip(".")
    if "." not in host:
        return True
    with suppress(UnicodeError):  # the list has international names in Unicode; what is none stands in no list
        host = host.encode().decode("idna") if "xn--" in host else host
    return _read_list().is_public(host)


@cache
def _read_list() -> PublicSuffixList:
    # Read with the first cookie that names a domain. With every rule in Punycode, too, it would take 80 ms.
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList(accept_encoded_idn=False)
