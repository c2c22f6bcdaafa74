"""Where a page may send requests, and by which way: held by request routing and by a filter before the browser."""

from __future__ import annotations

from doorkey.browser.egress.addresses import as_address, is_public
from doorkey.browser.egress.filter import Filter
from doorkey.browser.egress.guard import Guard
from doorkey.browser.egress.rules import refusal
from doorkey.browser.egress.way import Egress, Proxy, egress_of, parse_proxy

__all__ = ["Egress", "Filter", "Guard", "Proxy", "as_address", "egress_of", "is_public", "parse_proxy", "refusal"]
