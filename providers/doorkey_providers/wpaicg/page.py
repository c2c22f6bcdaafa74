"""Reads a page of a WordPress site with AI Power: the plugin's generation, its bots, their nonce and endpoint."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urljoin, urlsplit

from doorkey import Page, Tokens
from doorkey.errors import MissingToken
from doorkey_providers.wpaicg.generation_one import ENDPOINT, MESSAGE, WIDGET_MESSAGE, parse_json

if TYPE_CHECKING:
    from bs4 import Tag

MARKED = "[data-nonce][data-post-id]"
OURS = f".wpaicg-chat-shortcode{MARKED}, .wpaicg-chatbox{MARKED}"
CONFIG = """[data-config*='"nonce"']"""
READY = f"{MARKED}, {CONFIG}"
"""1.x marks the chat's element, 2.x gives it a JSON object. Popups have them as well; other plugins do not."""
VERSION = re.compile(r"/gpt3-ai-content-generator/[^\"'\s>]*[?&;]ver=(\d+(?:\.\d+)+)")
"""The plugin's version in the URL of one of its files. Pages of 2.x have such a URL, those of 1.x do not."""
Found: TypeAlias = tuple[dict[str, Any], Mapping[str, Any]]
"""A bot, and what the page says of it: its `nonce`, in 2.x its whole configuration."""
NAMELESS = re.compile(r"[\W_]+")


def read_tokens(page: Page, site: str) -> Tokens:
    """Read nonce, endpoint, generation and bots, in the order of the page. Raises MissingToken.

    A bot has `name`, `id`, `post_id`, `mode` ("stream" or "json"), and in 1.x `identity` and `action`. All bots of a
    page share one nonce: it is made for the plugin and the visitor.
    """
    told = VERSION.search(page.html)
    version = told[1] if told else ""
    chats = page.document.select(OURS)
    found = [] if chats else list(_read_configured(page))
    if found:
        generation, url = version if version.startswith("2") else "2.x", found[0][1].get("ajaxUrl")
    else:
        # Elements with the same marks come last, as the like buttons of other plugins have them, too.
        found = list(_read_marked(page, chats or page.document.select(MARKED)[:1], site))
        generation, url = _tell_first_generation(page, version), _read_ajax_url(page)
    if not found:
        raise MissingToken("nonce", f"{READY} at {page.place}", site=site)
    bots = [bot for bot, _ in found]
    return {
        "nonce": found[0][1]["nonce"],
        "post_id": bots[0]["post_id"],
        "generation": generation,
        "endpoint": _choose_endpoint(page, url),
        "bots": _name_bots(bots),
    }


def _read_marked(page: Page, tags: list[Tag], site: str) -> Iterator[Found]:
    """Yield the bots of 1.x, those in the page before its widget."""
    for tag in sorted(tags, key=_is_widget):
        # The floating widget renders a broken post id, such as "<123".
        post_id = "".join(char for char in _read_mark(tag, "post-id") if char in "0123456789")
        nonce = _read_mark(tag, "nonce")
        if nonce and post_id:
            bot, widget = _read_number(_read_mark(tag, "bot-id")) or "0", _is_widget(tag)
            kind = "widget" if widget else "shortcode"
            yield (
                {
                    "name": f"bot-{bot}" if bot != "0" else kind,
                    "id": bot,
                    "post_id": post_id,
                    "mode": "stream" if _read_mark(tag, "openai_stream_nav") == "1" else "json",
                    "identity": f"custom_bot_{bot}" if bot != "0" else kind,
                    "action": WIDGET_MESSAGE if widget else MESSAGE,
                    "url": _read_mark(tag, "url"),
                },
                {"nonce": nonce},
            )
        elif len(tags) == 1:
            raise MissingToken("post id" if nonce else "nonce", f"{MARKED} at {page.place}", site=site)


def _read_mark(tag: Tag, name: str) -> str:
    return str(tag.get(f"data-{name}") or "").strip()


def _read_number(value: object) -> str:
    """Return *value* as text if it is a number or the text of one, else an empty text."""
    text = str(value)
    return text if text.isascii() and text.isdigit() else ""


def _is_widget(tag: Tag) -> bool:
    return _read_mark(tag, "type") == "widget"


def _tell_first_generation(page: Page, version: str) -> str:
    """Tell the generation of 1.x from its page: 1.7 names no mode; 1.8 and 1.9 render the same page."""
    if version.startswith("1."):
        return version
    return "1.8 or 1.9" if page.find("[data-openai_stream_nav]") else "1.7"


def _read_configured(page: Page) -> Iterator[Found]:
    """Yield the bots of 2.x, those in the page before popups, each once."""
    told: dict[str, Mapping[str, Any]] = {}
    for tag in page.document.select("[data-config]"):
        config = parse_json(str(tag["data-config"]))
        if not isinstance(config, dict):
            continue  # it belongs to another plugin
        bot, nonce = _read_number(config.get("botId")), config.get("nonce")
        if bot and isinstance(nonce, str) and nonce:
            told.setdefault(bot, config)
    for bot, config in sorted(told.items(), key=lambda item: bool(item[1].get("popupEnabled"))):
        yield (
            {
                "name": _make_slug(str(config.get("headerName") or "")) or f"bot-{bot}",
                "id": bot,
                "post_id": _read_number(config.get("postId")) or "0",
                "mode": "json" if config.get("streamEnabled") is False else "stream",
            },
            config,
        )


def _make_slug(title: str) -> str:
    return NAMELESS.sub("-", title.lower()).strip("-")


def _name_bots(bots: list[dict[str, Any]]) -> list[Any]:
    """Return *bots*, each once. Bots of the same name get their ids into their names."""
    names = [bot["name"] for bot in bots]
    named: dict[str, Any] = {}
    for bot in bots:
        name = bot["name"] if names.count(bot["name"]) == 1 else f"{bot['name']}-{bot['id']}"
        named.setdefault(name, {**bot, "name": name})
    return list(named.values())


def _read_ajax_url(page: Page) -> Any:
    rest = page.html.partition("wpaicgParams =")[2]
    try:
        params, _ = json.JSONDecoder().raw_decode(rest.lstrip())
    except (ValueError, RecursionError):
        return None
    return params.get("ajax_url") if isinstance(params, dict) else None


def _choose_endpoint(page: Page, told: Any) -> str:
    """Return the endpoint that the page names if it has the page's origin, else the usual one of WordPress."""
    usual = urljoin(page.url, ENDPOINT)
    try:
        url = urljoin(page.url, told) if isinstance(told, str) and told else usual
        return url if urlsplit(url)[:2] == urlsplit(page.url)[:2] else usual
    except ValueError:
        return usual  # what the page names is no URL
