"""The words by which a page tells what it is, and a browser why it did not run a script."""

from __future__ import annotations

import re

CONSENT = re.compile(
    r"\b(?:cookie|consent|gdpr|privacy|traceur|confidentialit|datenschutz|einwilligung|zustimmung|privacidad|"
    r"consentimiento|consenso)|プライバシー|同意",
    re.I,
)
ACCEPT = re.compile(
    r"\b(?:accept|agree|allow|continue|got it|ok(?:ay)?|reject|decline|"
    r"akzeptier|zustimm|stimme zu|einverstanden|ablehnen|annehmen|"
    r"accepte|refuser|aceptar|acepto|rechazar|accett|rifiuta|aceitar|akkoord|accepteren)|同意",
    re.I,
)
MAINTENANCE = re.compile(
    r"\b(?:maintenance|be (?:right )?back(?: (?:soon|shortly|later))?\b|"
    r"(?:temporarily|currently) (?:unavailable|down|offline)|under construction|"
    r"scheduled (?:downtime|upgrade|outage)|undergoing (?:an? )?(?:upgrade|update|scheduled|planned)|"
    r"wartung\w*|gleich wieder da|manutenzione|mantenimiento|onderhoud|manutenção)|メンテナンス|维护|維護",
    re.I,
)
PASSWORD = re.compile(r"pass|pwd|pw\b|secret|kennwort|clave|contrase", re.I)
REFUSED_SCRIPT = re.compile(
    r"Failed to load module script|Refused to (?:execute|load the) script|Executing inline script violates|"
    r"Loading the script .* violates|find a valid digest|MIME type",
)
"""Chromium's messages about scripts that came and were not run."""
