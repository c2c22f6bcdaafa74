"""The settings of the session store."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator

from doorkey.config.settings_schema import Section

SQLITE = r"sqlite:////?[^/?#][^?#]*"
REDIS = r"rediss?://(\[[0-9a-fA-F:.]+\]|[\w.-]+)(:[0-9]{1,5})?(/[0-9]{0,5})?"
EXPECTED = "expected memory://, sqlite, sqlite:///absolute/path, redis://host:port/database or rediss://…"


class StoreSettings(Section):
    """`store`. Only `url` matters where sessions are kept on this machine."""

    url: str = Field(
        default="sqlite",
        description="Where sessions outlive the process: memory://, sqlite, sqlite:///absolute/path, or "
        "redis://host:port/database (rediss:// with TLS).",
    )
    username: str | None = Field(default=None, min_length=1, description="The user name at the Redis server.")
    password: SecretStr | None = Field(
        default=None, description="The password at the Redis server; better env:, file: or command: of it."
    )
    key: SecretStr | None = Field(
        default=None,
        description="Encrypts what is kept on the Redis server: 32 bytes in base64; better env:, file: or command: "
        "of it. Of several keys, apart by blanks, the first one encrypts.",
    )
    ca: Path | None = Field(
        default=None, description="A PEM file with the certificates that a rediss:// server is checked with."
    )

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        if url.startswith(("redis://", "rediss://")) and "@" in url:
            raise ValueError("expected a URL without user and password: store.username and store.password hold them")
        if url not in ("memory://", "sqlite") and not any(re.fullmatch(kind, url) for kind in (SQLITE, REDIS)):
            raise ValueError(EXPECTED)
        port = re.search(r":(\d+)(/\d*)?$", url)
        if port and not 0 < int(port[1]) < 65536:
            raise ValueError("expected a port from 1 to 65535")
        return url

    @model_validator(mode="after")
    def _check_key(self) -> Self:
        if self.url.startswith("redis") and self.key is None:
            raise ValueError(
                "expected store.key, which encrypts what the Redis server keeps; `openssl rand -base64 32` makes one"
            )
        return self
