"""What a failure is to whoever runs doorkey: its words, and its exit code."""

from __future__ import annotations

from doorkey.errors import ConfigurationError, DoorkeyError, Enough, NeedsPerson, RequestError, SiteError
from doorkey.model.printable import harmless


def exit_code(error: DoorkeyError) -> int:
    match error:
        case RequestError() | ConfigurationError():
            return 2
        case SiteError():
            return 1
        case NeedsPerson():
            return 3
        case Enough():
            return 4
        case _:
            return 5


def describe_error(error: DoorkeyError) -> str:
    """The message of *error*, with the site's name and the time after which to try again."""
    message = error.message
    if error.site and not message.startswith(f"{error.site}: "):
        message = f"{error.site}: {message}"
    # Waiting does not help if a person has to change something first.
    if error.retry_after and exit_code(error) in (4, 5):
        message += f". Try again in {max(1, round(error.retry_after))} s"
    return harmless(message)
