"""The provider of ai-chats.org: a streamed chat, and images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar
from urllib.parse import urljoin, urlsplit

from doorkey import Chat, ChatProvider, Delta, EventStream, Flow, Head, Kind, Reply, Request, Session, Verdict
from doorkey.errors import Changed, RequestError
from doorkey.model.chat import Image
from doorkey_providers.facade import AsyncGeneratorProvider, ProviderModelMixin
from doorkey_providers.shared import HOMES

MAGIC = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"))


class AiChatsSite(ChatProvider):
    """A Yii2 application. Its cookies are the whole session; HTTP 400 says that they are no longer valid."""

    page_path = "/chat/"
    cookies_required = True
    needs_page = False
    default_model = "gpt-4"
    known_models = ("gpt-4", "dalle")
    image_models = ("dalle",)

    def judge(self, request: Request, head: Head, session: Session) -> Verdict:
        if head.status == 400:
            return Verdict(Kind.STALE, f"{request.what} met HTTP 400: Yii2 did not accept the session's cookies")
        return super().judge(request, head, session)

    def answer(self, chat: Chat, session: Session) -> Flow[Sequence[Delta] | None]:
        if chat.kind == "chat":
            yield send2("chat", self.prompt(chat), session)
            return None
        prompt = chat.messages[-1].text
        if not prompt.strip():
            raise RequestError("the last message is empty: it is the image's description", param="messages")
        reply = yield send2("image", prompt, session)
        url = read_image_url(reply, session)
        picture = yield Request(
            url=url,
            what="the image",
            accept="image/*",
            expects=("image/*",),
            referer=urljoin(session.url, "/image/"),
            repeatable=True,
            own_host=urlsplit(url)[:2] == urlsplit(session.url)[:2],
            follow=3,
        )
        return [Image(url=url, data=picture.body, media_type=tell_image_type(picture), alt=prompt)]


def send2(kind: str, prompt: str, session: Session) -> Request:
    chats = kind == "chat"
    return Request(
        url="/chat/send2/",
        method="POST",
        what="the question" if chats else "the order for an image",
        json={"type": kind, "messagesHistory": [{"from": "you", "content": prompt}]},
        accept="application/json, text/event-stream",
        expects=("text/event-stream",) if chats else ("application/json",),
        referer=urljoin(session.url, f"/{kind}/"),
        decode=AiChatsStream if chats else None,
    )


class AiChatsStream(EventStream):
    """Joins the X of all lines `data: X` and strips the result. The format has no end mark: it ends with the body."""

    end_required = False
    by_line = True

    def __init__(self, head: Head | None = None) -> None:
        super().__init__(head)
        self._begun = False
        self._space = ""

    def event(self, name: str, data: str) -> Iterable[Delta]:
        text = self._space + data
        kept = text.rstrip()
        self._space = text[len(kept) :]
        if not self._begun:
            kept = kept.lstrip()
        if kept:
            self._begun = True
            yield kept

    def line(self, text: str) -> Iterable[Delta]:
        if text.startswith(("{", "<")):
            self.finish(Verdict(Kind.CHANGED, "an event stream was expected; the site sent another document"))
        return ()


def read_image_url(reply: Reply, session: Session) -> str:
    """Return the URL of the image that the site made. Raises Changed."""
    match reply.data():
        case {"data": [{"url": str(found)}, *_]} if found:
            url = urljoin(session.url, found)
            if urlsplit(url).scheme in ("http", "https"):
                return url
    raise Changed("the answer to an order for an image was expected to hold an http(s) URL in data[0].url")


def tell_image_type(picture: Reply) -> str:
    """Tell the image's media type by its header or its first bytes. Raises Changed if it is no image."""
    if picture.media_type.startswith("image/"):
        return picture.media_type
    for magic, media_type in MAGIC:
        if picture.body.startswith(magic):
            return media_type
    if picture.body[:4] == b"RIFF" and picture.body[8:12] == b"WEBP":
        return "image/webp"
    raise Changed(f"an image was expected; the site sent {picture.media_type or 'a body without a type'}")


class AiChats(AsyncGeneratorProvider, ProviderModelMixin):
    """ai-chats.org, as its seed calls it."""

    site = "aichats"
    url = home = HOMES["aichats"]
    api_path = "/chat/send2/"
    supports_message_history: ClassVar[bool] = True
    default_model = "gpt-4"
    models: ClassVar[list[str]] = ["gpt-4", "dalle"]
