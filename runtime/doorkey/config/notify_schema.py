"""The settings of notices to the user."""

from __future__ import annotations

import shlex

from pydantic import Field, SecretStr, field_validator

from doorkey.config.settings_schema import Section, web_url
from doorkey.model.secret import REFERENCES


class NotifySettings(Section):
    """`notify`: who is told when a site needs a person. At most once an hour for each site."""

    command: str | None = Field(
        default=None, description="A program that is run without a shell, with NOTIFY_SITE and NOTIFY_REASON set."
    )
    webhook: SecretStr | None = Field(
        default=None,
        description="A URL that gets a POST of JSON with site, reason and at; or env:, file: or command: of it.",
    )

    @field_validator("command")
    @classmethod
    def _check_command(cls, command: str | None) -> str | None:
        try:
            words = shlex.split(command) if command is not None else ["none"]
        except ValueError as error:
            raise ValueError("expected a command line; a quotation in it has no end") from error
        if not words:
            raise ValueError("expected a program and its arguments")
        return command

    @field_validator("webhook")
    @classmethod
    def _check_webhook(cls, webhook: SecretStr | None) -> SecretStr | None:
        if webhook is not None and not webhook.get_secret_value().startswith(REFERENCES):
            web_url(webhook.get_secret_value())
        return webhook
