"""The providers of Aichat and AiChats, by saved pages and answers: no browser, no network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorkey import Chat, ChatProvider, Head, Kind, Reply, Request, Session
from doorkey.errors import Changed, RequestError
from doorkey.model.chat import Image, Message
from doorkey.model.session import Key
from doorkey.model.site import Site
from doorkey_providers.aichat import AichatAnswer, AichatSite
from doorkey_providers.aichats import AiChatsSite, AiChatsStream

URL = "https://site.example/chat/"
TURNS = (Message("system", "Be brief."), Message("user", "one"), Message("assistant", "two"), Message("user", "three"))


def site() -> Site:
    return Site(name="site", url=URL)


def session(tokens: Mapping[str, Any] | None = None, local: Mapping[str, str] | None = None) -> Session:
    return Session(
        key=Key("site", URL),
        gen=0,
        url=URL,
        born=0,
        soft=1,
        hard=2,
        tokens=tokens or {},
        local=local or {},
        visitor="v1",
    )


def chat(*messages: Message, model: str = "", kind: Any = "chat", **options: Any) -> Chat:
    return Chat(id="0" * 32, at=1.5, model=model, kind=kind, messages=messages or TURNS, options=options)


def first(provider: ChatProvider, question: Chat, held: Session) -> Request:
    return provider.dress(next(provider.answer(question, held)), held)


def decoded(decoder: Any, *pieces: bytes) -> tuple[str, Kind]:
    deltas: list[str] = []
    for piece in pieces:
        if decoder.verdict is None:
            deltas.extend(decoder.feed(piece))
    if decoder.verdict is None:
        deltas.extend(decoder.close())
    return "".join(deltas), decoder.verdict.kind


def test_aichat_asks_in_the_async_dialect_by_default() -> None:
    request = first(AichatSite(site()), chat(), session())
    assert request.url == "/api/text"
    assert request.json == {
        "message": "System: Be brief.\nUser: one\nAssistant: two\nUser: three\nAssistant:",
        "temperature": 0.5,
        "presence_penalty": 0,
        "top_p": 1.0,
        "frequency_penalty": 0,
    }


def test_aichat_asks_as_the_first_seed_did_when_told() -> None:
    request = first(AichatSite(site()), chat(Message("user", "hi"), dialect="completion"), session())
    assert isinstance(request.json, dict)
    assert (request.json["message"], request.json["temperature"]) == ("user: hi\nassistant:", 1.0)


def test_aichat_refuses_a_temperature_that_is_no_number() -> None:
    with pytest.raises(RequestError, match="temperature must be a number"):
        first(AichatSite(site()), chat(temperature="hot"), session())


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"message": "hi"}', ("hi", Kind.OK)),
        (b'{"response": true, "message": "hi"}', ("hi", Kind.OK)),
        (b'{"response": false, "message": "no"}', ("", Kind.SITE_DOWN)),
        (b'{"response": true}', ("", Kind.CHANGED)),
        (b"<html>", ("", Kind.CHANGED)),
        (b"", ("", Kind.CHANGED)),
    ],
)
def test_aichat_takes_both_shapes_and_no_other(body: bytes, expected: tuple[str, Kind]) -> None:
    assert decoded(AichatAnswer(), body) == expected


def test_aichats_takes_yii_400_for_a_dead_session() -> None:
    provider = AiChatsSite(site())
    request = first(provider, chat(), session())
    assert provider.judge(request, Head(status=400, url=URL), session()).kind is Kind.STALE
    assert provider.judge(request, Head(status=429, url=URL), session()).kind is Kind.RATE_LIMITED
    assert request.json == {
        "type": "chat",
        "messagesHistory": [
            {"from": "you", "content": "System: Be brief.\nUser: one\nAssistant: two\nUser: three\nAssistant:"}
        ],
    }


def test_aichats_joins_and_strips_its_lines() -> None:
    assert decoded(AiChatsStream(), b"data:  one\ndata: two \n\ndata:\ndata:  three\n: x\ndata:  \n") == (
        "onetwo  three",
        Kind.OK,
    )


@pytest.mark.parametrize(("told", "own_host"), [("/i/a.png", True), ("https://cdn.example/a.png", False)])
def test_aichats_fetches_the_image_from_where_the_site_says(told: str, own_host: bool) -> None:
    flow = AiChatsSite(site()).answer(chat(Message("user", "a cat"), kind="image"), session())
    order = next(flow)
    fetch = flow.send(Reply(status=200, url=URL, body=json.dumps({"data": [{"url": told}]}).encode()))
    assert (order.referer, fetch.own_host) == ("https://site.example/image/", own_host)
    with pytest.raises(StopIteration) as stop:
        flow.send(Reply(status=200, headers={"content-type": "image/png"}, body=b"PNG"))
    assert stop.value.value == [Image(url=fetch.url, data=b"PNG", media_type="image/png", alt="a cat")]


@pytest.mark.parametrize("body", [b"{}", b'{"data": []}', b'{"data": [{"url": "file:///etc/passwd"}]}', b"<html>"])
def test_aichats_says_when_no_image_came(body: bytes) -> None:
    flow = AiChatsSite(site()).answer(chat(Message("user", "a cat"), kind="image"), session())
    next(flow)
    with pytest.raises(Changed):
        flow.send(Reply(status=200, url=URL, body=body))


BODIES = [
    ("data: Grüß\r\n\r\ndata:  dich \r\ndata: 🙂\r\n", AiChatsStream),
    ('{"message": "Grüß dich"}', AichatAnswer),
]


@given(st.sampled_from(BODIES), st.lists(st.integers(1, 9), min_size=1, max_size=40))
def test_a_decoder_says_the_same_however_the_body_is_split(case: tuple[str, Any], sizes: list[int]) -> None:
    body, decoder = case[0].encode(), case[1]
    pieces, at = [], 0
    for size in sizes:
        pieces.append(body[at : at + size])
        at += size
    assert decoded(decoder(), *pieces, body[at:]) == decoded(decoder(), body)
