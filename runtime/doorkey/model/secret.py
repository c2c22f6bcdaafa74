"""A reference to a secret that stands in a request in place of the secret itself."""

from __future__ import annotations


class Secret(str):
    """ "env:NAME", "file:PATH" or "command:PROGRAM ARGUMENTS", as a value in a request's headers, form or JSON.

    A renewal puts the secret in its place just before the request is sent, so that no provider ever holds it.
    """

    __slots__ = ()
