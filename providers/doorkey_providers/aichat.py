"""The provider of chat-gpt.org: a question and its answer are one JSON object each."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from typing import Any, ClassVar

from doorkey import Chat, ChatProvider, Delta, Flow, JsonDocument, Kind, Request, Session, Verdict
from doorkey.errors import RequestError
from doorkey_providers.blocking import iterate_in_thread
from doorkey_providers.facade import AsyncProvider, Messages, Piece
from doorkey_providers.shared import HOMES


class AichatSite(ChatProvider):
    """A site that needs the page's cookies and no token.

    The option `dialect="completion"` asks as the first seed's `_create_completion` did: another prompt, temperature 1.
    """

    page_path = "/chat"
    cookies_required = True
    needs_page = False
    default_model = "gpt-3.5-turbo"
    known_models = ("gpt-3.5-turbo",)

    def answer(self, chat: Chat, session: Session) -> Flow[Sequence[Delta] | None]:
        completion = chat.options.get("dialect") == "completion"
        yield Request(
            url="/api/text",
            method="POST",
            what="the question",
            json={
                "message": write_completion_prompt(chat) if completion else self.prompt(chat),
                "temperature": read_number(chat, "temperature", 1.0 if completion else 0.5),
                "presence_penalty": 0,
                "top_p": read_number(chat, "top_p", 1.0),
                "frequency_penalty": 0,
            },
            expects=("application/json",),
            referer=session.url,
            decode=AichatAnswer,
        )
        return None


class AichatAnswer(JsonDocument):
    """Reads `{"message": text}` or `{"response": true, "message": text}`.

    A false `response` is SITE_DOWN: the site says that it has no answer now, so another site of an alias may be asked.
    What a decoder says is never a reason to send a question twice. The site's words may repeat the prompt.
    """

    def document(self, value: Any) -> Iterable[Delta]:
        told = value if isinstance(value, dict) else {}
        if "response" in told and not told["response"]:
            self.finish(Verdict(Kind.SITE_DOWN, "the site says that it could not answer (response is false)"))
            return ()
        text = told.get("message")
        if not isinstance(text, str):
            self.finish(Verdict(Kind.CHANGED, "the answer was expected to be JSON with the text in message"))
            return ()
        return (text,) if text.strip() else ()


def write_completion_prompt(chat: Chat) -> str:
    """Write each message as a line `role: content`, then `assistant:`."""
    if not any(message.text.strip() for message in chat.messages):
        raise RequestError("the messages are empty: a question needs some text", param="messages")
    return "".join(f"{message.role}: {message.text}\n" for message in chat.messages) + "assistant:"


def read_number(chat: Chat, name: str, default: float) -> float:
    """Return the option *name*, or the default if it is null or missing. Raises RequestError if it is no number."""
    value = chat.options.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise RequestError(f"{name} must be a number", param=name)
    return value


url = HOMES["aichat"]
model = ["gpt-3.5-turbo"]
supports_stream = False
needs_auth = False


class Aichat(AsyncProvider):
    """chat-gpt.org, as both of its seeds call it."""

    site = "aichat"
    url = home = url
    api_path = "/api/text"
    model: ClassVar[list[str]] = model
    supports_stream: ClassVar[bool] = supports_stream
    needs_auth: ClassVar[bool] = needs_auth
    supports_gpt_35_turbo: ClassVar[bool] = True

    @classmethod
    def _create_completion(
        cls, model: str, messages: Messages, stream: bool = False, **kwargs: Any
    ) -> Generator[Piece, None, None]:
        """Yield the answer. Works in any thread, also inside a running event loop, which it blocks.

        The site can't stream: the answer comes as one piece, whatever *stream* says.
        """
        return iterate_in_thread(cls.pieces(model, messages, dialect="completion", **kwargs))


_create_completion = Aichat._create_completion
