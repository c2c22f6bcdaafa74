"""The five providers, by saved pages and answers: no browser, no network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorkey import Chat, ChatProvider, Head, Image, Kind, Page, Reply, Request, Session
from doorkey.chat import Message
from doorkey.errors import Changed, MissingToken, RequestError
from doorkey.provider import Site
from doorkey.session import Key
from doorkey_providers.aichat import AichatAnswer, AichatSite
from doorkey_providers.aichats import AiChatsSite, AiChatsStream
from doorkey_providers.chatgptfree import ChatgptFreeSite
from doorkey_providers.chatgptt import ChatGpttSite
from doorkey_providers.twins import failures
from doorkey_providers.wpaicg import AIPowerSite
from doorkey_providers.wpaicg_answers import PowerJson, PowerStream

URL = "https://site.example/chat/"
WORDPRESS = """<html><script>var wpaicgParams = {"ajax_url":"https:\\/\\/site.example\\/wp\\/ajax.php"};</script>
<input id="wpaicg-img-nonce" data-nonce="decoy" value="decoy">
<div class="wpaicg-chat-shortcode" data-nonce="991b4ad892" data-post-id="<4" data-url="https://site.example/chat/"
 data-bot-id="0" data-openai_stream_nav="1" data-type="shortcode"></div></html>"""
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


def wordpress(cls: type[AIPowerSite], html: str = WORDPRESS, local: Mapping[str, str] | None = None) -> Request:
    provider = cls(site())
    return first(provider, chat(), session(provider.read(Page(url=URL, html=html)), local))


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


def test_wpaicg_sends_the_nine_fields_with_history() -> None:
    request = wordpress(ChatGpttSite)
    assert request.url == "https://site.example/wp/ajax.php"
    assert request.form == {
        "_wpnonce": "991b4ad892",
        "post_id": "4",
        "url": URL,
        "action": "wpaicg_chat_shortcode_message",
        "message": "Be brief.\nthree",
        "bot_id": "0",
        "chatbot_identity": "shortcode",
        "wpaicg_chat_client_id": "v1",
        "wpaicg_chat_history": '[{"id": 1500, "text": "Human: one"}, {"text": "AI: two"}]',
    }


def test_chatgptfree_sends_six_fields_and_all_turns_in_one() -> None:
    form = wordpress(ChatgptFreeSite).form or {}
    assert list(form) == ["_wpnonce", "post_id", "url", "action", "message", "bot_id"]
    assert form["message"] == "System: Be brief.\nUser: one\nAssistant: two\nUser: three\nAssistant:"


def test_wpaicg_keeps_the_client_id_that_the_page_keeps() -> None:
    form = wordpress(AIPowerSite, local={"wpaicg_chat_client_id": "abc"}).form or {}
    assert form["wpaicg_chat_client_id"] == "abc"


def test_wpaicg_never_sends_a_nonce_to_another_origin() -> None:
    moved = WORDPRESS.replace("https:\\/\\/site.example\\/wp", "https:\\/\\/evil.example\\/wp")
    assert wordpress(AIPowerSite, moved).url == "https://site.example/wp-admin/admin-ajax.php"


@pytest.mark.parametrize(
    ("html", "told"),
    [
        ("<html></html>", "no nonce"),
        ('<p id="aipkit_popup_wrapper_4" data-config=\'{"nonce":"2f2b3b9828"}\'>', "AI Power 2.x"),
        (WORDPRESS.replace('"<4"', '"<"'), "no post id"),
        (WORDPRESS.replace("991b4ad892", ""), "no nonce"),
    ],
)
def test_wpaicg_says_which_token_a_page_lacks(html: str, told: str) -> None:
    with pytest.raises(MissingToken, match=told):
        AIPowerSite(site()).read(Page(url=URL, html=html))


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (403, failures.died(failures.EXPIRED).encode(), Kind.STALE),
        (400, b"0", Kind.CHANGED),
        (403, b"-1", Kind.BLOCKED),
        (403, b"<html>", Kind.REFUSED),
        (503, b"", Kind.SITE_DOWN),
    ],
)
def test_wpaicg_judges_a_head(status: int, body: bytes, kind: Kind) -> None:
    head = Head(status=status, headers={"content-type": "text/html"}, url=URL, start=body)
    assert AIPowerSite(site()).judge(wordpress(AIPowerSite), head, session()).kind is kind


JSON_FAILURES = [
    (failures.wrong_nonce("1.7"), Kind.STALE),
    (failures.wrong_nonce("1.8"), Kind.STALE),
    (failures.backend_failed("1.9", False), Kind.SITE_DOWN),
    (failures.limit_reached(False), Kind.QUOTA),
    (failures.banned(False), Kind.BLOCKED),
    (failures.nothing_said(), Kind.BLOCKED),
]


@pytest.mark.parametrize(("failure", "kind"), JSON_FAILURES)
@pytest.mark.parametrize("decoder", [PowerJson, PowerStream])
def test_wpaicg_understands_a_failure_in_json_in_both_modes(
    failure: failures.Failure, kind: Kind, decoder: type[PowerJson] | type[PowerStream]
) -> None:
    assert decoded(decoder(), failure.body.encode()) == ("", kind)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (failures.backend_failed("1.8", True).body, Kind.SITE_DOWN),
        (failures.backend_failed("1.9", True).body, Kind.SITE_DOWN),
        (failures.limit_reached(True).body, Kind.QUOTA),
        (failures.limit_reached(True, limited_mark=True).body, Kind.QUOTA),
        ("data: [LIMITED]\n\n", Kind.QUOTA),
        (failures.banned(True).body, Kind.BLOCKED),
        ("data: rubbish\n\n", Kind.CHANGED),
        ("", Kind.CUT),
        ("data: [DONE]\n\n", Kind.OK),
    ],
)
def test_wpaicg_never_gives_a_streamed_failure_as_an_answer(body: str, kind: Kind) -> None:
    assert decoded(PowerStream(), body.encode()) == ("", kind)


def chunk(text: str, **more: str) -> str:
    told = {"choices": [{"delta": {"content": text}}], **more}
    return f"data: {json.dumps(told, ensure_ascii=False)}\n\n"


WHOLE = {"id": "c", "object": "chat.completion.chunk", "model": "m"}
STREAM = chunk("Grüß ", **WHOLE) + ": still\r\n\r\n" + chunk("dich 🙂", **WHOLE)


def test_wpaicg_says_nothing_twice_when_18_repeats_the_answer() -> None:
    body = STREAM + "data: [DONE]\n\n" + failures.trailer("Grüß dich 🙂")
    assert decoded(PowerStream(), body.encode()) == ("Grüß dich 🙂", Kind.OK)


def test_wpaicg_tells_a_cut_stream_from_a_whole_one() -> None:
    assert decoded(PowerStream(), STREAM.encode()) == ("Grüß dich 🙂", Kind.CUT)


def test_wpaicg_fails_when_the_backend_fails_in_the_middle() -> None:
    assert decoded(PowerStream(), (STREAM + chunk("Oh no")).encode()) == ("Grüß dich 🙂", Kind.SITE_DOWN)


def test_wpaicg_gives_chunks_without_an_id_once_the_end_mark_came() -> None:
    assert decoded(PowerStream(), (chunk("hi") + "data: [DONE]\n\n").encode()) == ("hi", Kind.OK)


BODIES = [
    (STREAM + "data: [DONE]\n\n", PowerStream),
    (failures.backend_failed("1.8", True).body, PowerStream),
    (failures.success("Grüß dich"), PowerStream),
    (failures.success("Grüß dich"), PowerJson),
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
