"""A reference to a secret that stands in a request in place of the secret itself."""

from __future__ import annotations

REFERENCES = ("env:", "file:", "command:", "secret:")
CODES = ("totp", "code")


class Secret(str):
    """ "env:NAME", "file:PATH", "command:PROGRAM ARGUMENTS" or "secret:NAME", in a request's headers, form or JSON.

    "totp:" before it means a one-time password made from the secret, "code:" a one-time code that somebody answers.
    A renewal puts the value in its place just before the request is sent, so that no provider ever holds it.
    """

    __slots__ = ()

    @property
    def kind(self) -> str:
        """What the reference is for: "totp", "code", or "value" for the secret itself."""
        prefix, _, rest = self.partition(":")
        return prefix if prefix in CODES and rest.startswith(REFERENCES) else "value"

    @property
    def reference(self) -> str:
        """Where the secret is, without what is made of it."""
        return str(self) if self.kind == "value" else self.partition(":")[2]
