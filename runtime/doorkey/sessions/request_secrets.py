"""Puts the secrets that a request refers to into it, just before it is sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from doorkey.config.one_time_codes import OneTimeCodes
from doorkey.config.secrets import resolve, resolve_within
from doorkey.errors import ConfigurationError
from doorkey.model.request import Request
from doorkey.model.secret import Secret
from doorkey.model.session import JSON


@dataclass(frozen=True, slots=True)
class SecretReader:
    """Reads what secrets refer to. `limit`: seconds that a program may take to answer a one-time code."""

    codes: OneTimeCodes
    limit: float

    async def read(self, secret: Secret) -> str:
        """The value to send in place of *secret*. Raises ConfigurationError, which never holds the value.

        A time-based password that was already used is waited out: the next one comes within 30 s.
        """
        if secret.kind == "code":
            return (await resolve_within(secret.reference, self.limit)).strip()
        value = await resolve(secret.reference)
        return await self.codes.make(value) if secret.kind == "totp" else value


async def fill_in(request: Request, read: Callable[[Secret], Awaitable[str]]) -> tuple[Request, tuple[str, ...]]:
    """Return *request* with each `Secret` replaced by what *read* makes of it, and these values.

    Raises ConfigurationError for a secret that can't be read, or that no header can hold.
    """
    references = {*_find(request.form), *_find(request.json), *_find(request.headers)}
    # Time-based passwords last: a person or a program may take long to answer the others.
    ordered = sorted(references, key=lambda reference: (reference.kind == "totp", reference))
    values = {reference: await read(reference) for reference in ordered}
    if not values:
        return request, ()
    headers = {name: _filled(value, values) for name, value in request.headers.items()}
    form = None if request.form is None else {name: _filled(value, values) for name, value in request.form.items()}
    try:
        filled = replace(request, headers=headers, form=form, json=_fill(request.json, values))
    except ValueError:
        # Not chained: the message must not repeat the value.
        raise ConfigurationError(f"{request.what}: a secret for a header was expected to be one line") from None
    return filled, tuple(values.values())


def _find(value: object) -> set[Secret]:
    """The references in *value*, also in what lies inside it."""
    if isinstance(value, Secret):
        return {value}
    inner = value.values() if hasattr(value, "values") else value if isinstance(value, list) else ()
    return {found for one in inner for found in _find(one)}


def _fill(value: JSON, values: dict[Secret, str]) -> JSON:
    if isinstance(value, dict):
        return {name: _fill(inner, values) for name, inner in value.items()}
    if isinstance(value, list):
        return [_fill(inner, values) for inner in value]
    return _filled(value, values) if isinstance(value, str) else value


def _filled(text: str, values: dict[Secret, str]) -> str:
    return values[text] if isinstance(text, Secret) else text
