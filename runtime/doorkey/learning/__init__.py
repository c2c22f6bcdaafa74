"""Learns a site's settings from a recording of its use. Pure: no browser, no network, no clock."""

from doorkey.learning.draft import Call, Doubt, Draft, Evidence, LoginDraft, SendDraft, TokenDraft
from doorkey.learning.learn import NotEnough, learn, read_credentials
from doorkey.learning.recording import Event, Exchange, Recording, Snapshot

__all__ = [
    "Call",
    "Doubt",
    "Draft",
    "Event",
    "Evidence",
    "Exchange",
    "LoginDraft",
    "NotEnough",
    "Recording",
    "SendDraft",
    "Snapshot",
    "TokenDraft",
    "learn",
    "read_credentials",
]
