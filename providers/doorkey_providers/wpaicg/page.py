"""What a page of a WordPress site with AI Power shows: the plugin's generation, its bots, their nonce and endpoint."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urljoin, urlsplit

from doorkey import Page, Tokens
from doorkey.errors import MissingToken
from doorkey_providers.wpaicg.answers import parsed

if TYPE_CHECKING:
    from bs4 import Tag

MARKED = "[data-nonce][data-post-id]"
OURS = f".wpaicg-chat-shortcode{MARKED}, .wpaicg-chatbox{MARKED}"
CONFIG = """[data-config*='"nonce"']"""
READY = f"{MARKED}, {CONFIG}"
"""1.x marks the chat's own element, 2.x gives it a JSON object; popups too, and other plugins neither."""
ENDPOINT = "/wp-admin/admin-ajax.php"
MESSAGE = "wpaicg_chat_shortcode_message"
WIDGET_MESSAGE = "wpaicg_chatbox_message"
VERSION = re.compile(r"/gpt3-ai-content-generator/[^\"'\s>]*[?&;]ver=(\d+(?:\.\d+)+)")
"""The plugin's version, where the page loads a file of its by it: 2.x does, 1.x names none for its chat."""
Found: TypeAlias = tuple[dict[str, Any], Mapping[str, Any]]
"""A bot, and what the page says beside it: its `nonce`, in 2.x its whole configuration."""
NAMELESS = re.compile(r"[\W_]+")


def tokens_of(page: Page, site: str) -> Tokens:
    """Nonce, endpoint, generation and bots, the page's first bot first. Raises MissingToken.

    A bot has `name`, `id`, `post_id`, `mode` ("stream" or "json"), and in 1.x `identity` and `action`. All bots of a
    page share one nonce: it is made for the plugin and the visitor.
    """
    told = VERSION.search(page.html)
    version = told[1] if told else ""
    chats = page.document.select(OURS)
    found = [] if chats else list(_configured(page))
    if found:
        generation, url = version if version.startswith("2") else "2.x", found[0][1].get("ajaxUrl")
    else:
        # Last of all, what bears the same marks: like buttons of other plugins do, too.
        found = list(_marked(page, chats or page.document.select(MARKED)[:1], site))
        generation, url = _first_generation(page, version), _ajax_url(page)
    if not found:
        raise MissingToken("nonce", f"{READY} at {page.place}", site=site)
    bots = [bot for bot, _ in found]
    return {
        "nonce": found[0][1]["nonce"],
        "post_id": bots[0]["post_id"],
        "generation": generation,
        "endpoint": _endpoint(page, url),
        "bots": _named(bots),
    }


def _marked(page: Page, tags: list[Tag], site: str) -> Iterator[Found]:
    """The bots of 1.x: those in the page before its widget."""
    for tag in sorted(tags, key=_is_widget):
        # The floating widget renders a broken post id: "<123".
        post_id = "".join(char for char in _mark(tag, "post-id") if char in "0123456789")
        nonce = _mark(tag, "nonce")
        if nonce and post_id:
            bot, widget = _number(_mark(tag, "bot-id")) or "0", _is_widget(tag)
            kind = "widget" if widget else "shortcode"
            yield (
                {
                    "name": f"bot-{bot}" if bot != "0" else kind,
                    "id": bot,
                    "post_id": post_id,
                    "mode": "stream" if _mark(tag, "openai_stream_nav") == "1" else "json",
                    "identity": f"custom_bot_{bot}" if bot != "0" else kind,
                    "action": WIDGET_MESSAGE if widget else MESSAGE,
                    "url": _mark(tag, "url"),
                },
                {"nonce": nonce},
            )
        elif len(tags) == 1:
            raise MissingToken("post id" if nonce else "nonce", f"{MARKED} at {page.place}", site=site)


def _mark(tag: Tag, name: str) -> str:
    return str(tag.get(f"data-{name}") or "").strip()


def _number(value: object) -> str:
    """*value* where it is a number, or the text of one; else nothing."""
    text = str(value)
    return text if text.isascii() and text.isdigit() else ""


def _is_widget(tag: Tag) -> bool:
    return _mark(tag, "type") == "widget"


def _first_generation(page: Page, version: str) -> str:
    """1.x, as far as its page tells: 1.7 says no mode; 1.8 and 1.9 render the same page."""
    if version.startswith("1."):
        return version
    return "1.8 or 1.9" if page.find("[data-openai_stream_nav]") else "1.7"


def _configured(page: Page) -> Iterator[Found]:
    """The bots of 2.x: those in the page before popups, and none twice."""
    told: dict[str, Mapping[str, Any]] = {}
    for tag in page.document.select("[data-config]"):
        config = parsed(str(tag["data-config"]))
        if not isinstance(config, dict):
            continue  # another plugin's
        bot, nonce = _number(config.get("botId")), config.get("nonce")
        if bot and isinstance(nonce, str) and nonce:
            told.setdefault(bot, config)
    for bot, config in sorted(told.items(), key=lambda item: bool(item[1].get("popupEnabled"))):
        yield (
            {
                "name": _slug(str(config.get("headerName") or "")) or f"bot-{bot}",
                "id": bot,
                "post_id": _number(config.get("postId")) or "0",
                "mode": "json" if config.get("streamEnabled") is False else "stream",
            },
            config,
        )


def _slug(title: str) -> str:
    return NAMELESS.sub("-", title.lower()).strip("-")


def _named(bots: list[dict[str, Any]]) -> list[Any]:
    """*bots*, those of the same name told apart by their ids; the same bot only once."""
    names = [bot["name"] for bot in bots]
    named: dict[str, Any] = {}
    for bot in bots:
        name = bot["name"] if names.count(bot["name"]) == 1 else f"{bot['name']}-{bot['id']}"
        named.setdefault(name, {**bot, "name": name})
    return list(named.values())


def _ajax_url(page: Page) -> Any:
    rest = page.html.partition("wpaicgParams =")[2]
    try:
        params, _ = json.JSONDecoder().raw_decode(rest.lstrip())
    except (ValueError, RecursionError):
        return None
    return params.get("ajax_url") if isinstance(params, dict) else None


def _endpoint(page: Page, told: Any) -> str:
    """The endpoint that the page names when it is of the page's origin, else WordPress' usual place."""
    usual = urljoin(page.url, ENDPOINT)
    try:
        url = urljoin(page.url, told) if isinstance(told, str) and told else usual
        return url if urlsplit(url)[:2] == urlsplit(page.url)[:2] else usual
    except ValueError:
        return usual  # no URL at all
