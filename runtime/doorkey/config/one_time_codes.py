"""Time-based one-time passwords (RFC 6238) for logins, none of them used twice."""

from __future__ import annotations

import binascii
import fcntl
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from doorkey.clock import Clock
from doorkey.errors import ConfigurationError

if TYPE_CHECKING:
    import pyotp

PREFIX = "totp-"
DIGESTS = {"SHA1": hashlib.sha1, "SHA256": hashlib.sha256, "SHA512": hashlib.sha512}


class OneTimeCodes:
    """Makes codes for all logins of this user: *folder* is shared by their processes.

    A site accepts a code once. A second login within the period of a code waits for the next period.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder, self._clock = folder, clock

    async def make(self, secret: str) -> str:
        """Return a code of *secret*: base32, or an otpauth:// URI. Raises ConfigurationError for another text."""
        totp = parse_secret(secret)
        path = self._folder / (PREFIX + hashlib.sha256(totp.byte_secret()).hexdigest()[:24])
        while (wait := self._claim(path, totp.interval)) > 0:
            await self._clock.sleep(wait)
        return totp.at(int(self._clock.wall()))

    def _claim(self, path: Path, interval: int) -> float:
        """Take the present period in *path*, the record of one secret. Return the seconds to wait if it is taken."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("a+") as record:
            path.chmod(0o600)
            fcntl.flock(record, fcntl.LOCK_EX)
            record.seek(0)
            text = record.read()
            now = self._clock.wall()
            period, last = int(now // interval), int(text) if text.isdigit() else -1
            # A record that lies further ahead comes from a clock that was wrong.
            if period <= last <= period + 1:
                return (last + 1) * interval - now + 0.01
            record.truncate(0)
            record.write(str(period))
        return 0.0


def parse_secret(text: str) -> pyotp.TOTP:
    """Parse base32 letters (blanks between them are ignored), or an otpauth:// URI. Raises ConfigurationError."""
    import pyotp  # for sites whose login asks for codes

    class Totp(pyotp.TOTP):
        min_secret_length_bits = 40  # pyotp refuses secrets below 112 bits, but many sites still give out 80

    parts = urlsplit(text.strip())
    if parts.scheme == "otpauth" and parts.netloc != "totp":
        raise ConfigurationError("the value of totp is a URI of another kind: expected otpauth://totp/…")
    given = dict(parse_qsl(parts.query)) if parts.scheme == "otpauth" else {"secret": text}
    try:
        return Totp(
            "".join(given.get("secret", "").split()).rstrip("="),
            digits=int(given.get("digits", "6")),
            interval=int(given.get("period", "30")),
            digest=DIGESTS[given.get("algorithm", "SHA1").upper()],
        )
    except (ValueError, KeyError, binascii.Error):
        # Not chained: the exception may hold the secret.
        raise ConfigurationError(
            "the value of totp is no TOTP secret: expected the base32 letters that the site shows when "
            "two-factor login is set up, or an otpauth:// URI"
        ) from None
