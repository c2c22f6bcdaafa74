"""AI Power by saved pages and answers: what a page shows, what is sent, what each answer means."""

from __future__ import annotations

import html as markup
import json
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorkey import Chat, Head, Kind, Page, Reply, Request, Session
from doorkey.errors import Changed, MissingToken, RequestError, UnknownModel
from doorkey.model.chat import Message
from doorkey.model.session import Key
from doorkey.model.site import Site
from doorkey_providers.chatgptfree import ChatgptFreeSite
from doorkey_providers.chatgptt import ChatGpttSite
from doorkey_providers.twins import wpaicg_literals as literals
from doorkey_providers.twins.wpaicg_literals import ROWS, Row
from doorkey_providers.wpaicg.generation_one import PowerJson, PowerStream
from doorkey_providers.wpaicg.generation_two import TwoJson, TwoStream
from doorkey_providers.wpaicg.options import PowerOptions
from doorkey_providers.wpaicg.page import READY
from doorkey_providers.wpaicg.site import AIPowerSite, read_bots

URL = "https://site.example/chat/"
TURNS = (Message("system", "Be brief."), Message("user", "one"), Message("assistant", "two"), Message("user", "three"))
ALL_TURNS = "System: Be brief.\nUser: one\nAssistant: two\nUser: three\nAssistant:"
PARAMS = (
    r"""<script>var wpaicgParams = {"ajax_url":"https:\/\/site.example\/wp\/ajax.php","search_nonce":"x"};</script>"""
)
DECOY = '<input id="wpaicg-img-nonce" data-nonce="decoy" value="decoy">'


def marked(
    kind: str = "shortcode", bot: str = "0", mode: str = "1", nonce: str = "991b4ad892", post: str = "&lt;4"
) -> str:
    css = "wpaicg-chatbox" if kind == "widget" else "wpaicg-chat-shortcode"
    said = "" if mode == "none" else f' data-openai_stream_nav="{mode}"'
    return (
        f'<div class="{css}" data-nonce="{nonce}" data-post-id="{post}" data-url="{URL}" data-bot-id="{bot}"{said} '
        f'data-type="{kind}"></div>'
    )


def configured(bot: int | str = 4, name: str = "Support Bot", popup: bool = False, **more: Any) -> str:
    config = {
        "botId": bot,
        "ajaxUrl": "https://site.example/wp/ajax.php",
        "nonce": "2f2b3b9828",
        "postId": 6,
        "popupEnabled": popup,
        "headerName": name,
        "text": {"title": "it's <b>here</b>"},
        **more,
    }
    shown = markup.escape(json.dumps(config))
    where = f"aipkit_popup_wrapper_{bot}" if popup else f"aipkit_chat_container_{bot}"
    return f"<div class='aipkit_chat' id='{where}' data-config='{shown}'></div>"


PAGES = {
    ("1.7", "json"): PARAMS + DECOY + marked(mode="none"),
    ("1.8", "json"): PARAMS + DECOY + marked(mode="0"),
    ("1.8", "stream"): PARAMS + DECOY + marked(),
    ("1.9", "json"): PARAMS + DECOY + marked(mode="0"),
    ("1.9", "stream"): PARAMS + DECOY + marked(),
    ("2.x", "json"): configured(streamEnabled=False),
    ("2.x", "stream"): configured(),
}
FIRST, SECOND = PAGES["1.9", "stream"], PAGES["2.x", "stream"]


def site(**more: Any) -> Site:
    return Site(name="blog", url=URL, **more)


def session(html: str, local: Mapping[str, str] | None = None) -> Session:
    tokens = AIPowerSite(site()).read(Page(url=URL, html=html))
    return Session(
        key=Key("blog", URL), gen=0, url=URL, born=0, soft=1, hard=2, tokens=tokens, local=local or {}, visitor="v1"
    )


def chat(*messages: Message, model: str = "") -> Chat:
    return Chat(id="0123456789abcdef" * 2, at=1.5, model=model, messages=messages or TURNS)


def asked(
    html: str, model: str = "", cls: type[AIPowerSite] = AIPowerSite, local: Mapping[str, str] | None = None
) -> Request:
    provider, held = cls(site()), session(html, local)
    return provider.dress(next(provider.answer(chat(model=model), held)), held)


def decoded(decoder: Any, *pieces: bytes) -> tuple[str, Kind]:
    deltas: list[str] = []
    for piece in pieces:
        if decoder.verdict is None:
            deltas.extend(decoder.feed(piece))
    if decoder.verdict is None:
        deltas.extend(decoder.close())
    return "".join(deltas), decoder.verdict.kind


def understood(row: Row, *sizes: int) -> tuple[str, Kind]:
    """What the provider makes of a literal at its step, in pieces of *sizes*: the text that came, and the verdict."""
    provider, held = AIPowerSite(site()), session(PAGES[row.generation, row.mode])
    flow = provider.answer(chat(), held)
    request = next(flow)
    if row.step == "stream":
        request = flow.send(Reply(status=200, url=URL, body=literals.CACHED))
    head = Head(status=row.status, headers={"content-type": row.content_type}, url=URL, start=row.body[:4096])
    verdict = provider.judge(provider.dress(request, held), head, held)
    if not verdict:
        return "", verdict.kind
    if row.step == "cache":
        flow.send(Reply(status=200, url=URL, body=row.body))
        return "", Kind.OK
    assert request.decode is not None
    pieces, at = [], 0
    for size in sizes:
        pieces.append(row.body[at : at + size])
        at += size
    return decoded(request.decode(head), *pieces, row.body[at:])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_literal_is_understood_and_no_error_text_is_given_as_an_answer(row: Row) -> None:
    assert understood(row) == (row.text, row.kind)


@given(st.sampled_from(ROWS), st.lists(st.integers(1, 9), min_size=1, max_size=40))
def test_each_literal_says_the_same_however_it_is_split(row: Row, sizes: list[int]) -> None:
    assert understood(row, *sizes) == (row.text, row.kind)


JSON_FAILURES = [row for row in ROWS if row.content_type == literals.JSON and row.status == 200 and row.case != "half"]


@pytest.mark.parametrize("row", JSON_FAILURES, ids=lambda row: row.name)
def test_json_is_understood_beyond_its_head_and_in_the_mode_that_the_page_did_not_tell(row: Row) -> None:
    if row.generation != "2.x":
        assert decoded(PowerJson(), row.body) == decoded(PowerStream(), row.body) == (row.text, row.kind)
    elif row.step == "message":
        assert decoded(TwoJson(), row.body) == (row.text, row.kind)


def test_the_literals_have_a_row_for_each_cell_of_the_failure_table() -> None:
    cells = {(row.case, row.generation, row.mode) for row in ROWS}
    for case in ("nonce", "backend", "quota", "banned", "empty", "unknown action", "other plugin", "answer"):
        assert {(case, *where) for where in literals.FIRST} <= cells
    for case in ("nonce", "backend", "quota", "empty", "unknown action", "other plugin", "answer", "no end mark"):
        assert (case, "2.x", "stream") in cells
    assert len({row.name for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize(
    ("html", "told"),
    [
        (FIRST, "AI Power 1.8 or 1.9, 1 bot: shortcode (event stream)"),
        (PAGES["1.7", "json"], "AI Power 1.7, 1 bot: shortcode (JSON)"),
        (
            FIRST + '<link href="/wp-content/plugins/gpt3-ai-content-generator/a.css?x=1&#038;ver=1.9.18">',
            "AI Power 1.9.18, 1 bot: shortcode (event stream)",
        ),
        (SECOND, "AI Power 2.x, 1 bot: support-bot (event stream)"),
        (
            PAGES["2.x", "json"] + '<script src="/wp-content/plugins/gpt3-ai-content-generator/d.js?ver=2.4.71">',
            "AI Power 2.4.71, 1 bot: support-bot (JSON)",
        ),
        ('<a data-nonce="1" data-post-id="2">Like</a>' + SECOND, "AI Power 2.x, 1 bot: support-bot (event stream)"),
        (
            marked("widget") + marked() + marked(bot="5", mode="0"),
            "AI Power 1.8 or 1.9, 3 bots: shortcode (event stream), bot-5 (JSON), widget (event stream)",
        ),
    ],
)
def test_a_page_tells_the_generation_its_bots_and_their_mode(html: str, told: str) -> None:
    notes = AIPowerSite(site()).notes(session(html))
    assert notes[0] == told
    assert ("damages prompts" in "".join(notes[1:])) is told.startswith(("AI Power 1.7", "AI Power 1.8"))


def test_1x_is_sent_the_nine_fields_with_history() -> None:
    request = asked(FIRST, cls=ChatGpttSite)
    assert (request.method, request.url) == ("POST", "https://site.example/wp/ajax.php")
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


def test_chatgptfree_is_sent_six_fields_and_all_turns_in_one() -> None:
    form = asked(FIRST, cls=ChatgptFreeSite).form or {}
    assert list(form) == ["_wpnonce", "post_id", "url", "action", "message", "bot_id"]
    assert form["message"] == ALL_TURNS


@pytest.mark.parametrize(
    ("html", "model", "sent"),
    [
        (marked("widget"), "", ("wpaicg_chatbox_message", "0", "widget")),
        (marked(bot="5"), "", ("wpaicg_chat_shortcode_message", "5", "custom_bot_5")),
        (marked() + marked(bot="5"), "", ("wpaicg_chat_shortcode_message", "0", "shortcode")),
        (marked() + marked(bot="5"), "site", ("wpaicg_chat_shortcode_message", "0", "shortcode")),
        (marked() + marked(bot="5"), "bot-5", ("wpaicg_chat_shortcode_message", "5", "custom_bot_5")),
        (marked() + marked("widget", bot="7"), "bot-7", ("wpaicg_chatbox_message", "7", "custom_bot_7")),
    ],
)
def test_each_bot_of_1x_is_asked_by_its_own_name(html: str, model: str, sent: tuple[str, str, str]) -> None:
    form = asked(html, model).form or {}
    assert (form["action"], form["bot_id"], form["chatbot_identity"]) == sent


def test_1x_keeps_the_client_id_that_the_page_keeps() -> None:
    form = asked(FIRST, local={"wpaicg_chat_client_id": "abc"}).form or {}
    assert form["wpaicg_chat_client_id"] == "abc"


def test_2x_is_asked_in_two_steps() -> None:
    provider, held = AIPowerSite(site()), session(SECOND, {"aipkit_guest_uuid": "guest"})
    flow = provider.answer(chat(), held)
    kept = provider.dress(next(flow), held)
    assert (kept.method, kept.url, kept.repeatable) == ("POST", "https://site.example/wp/ajax.php", True)
    assert kept.form == {
        "bot_id": "4",
        "action": "aipkit_cache_sse_message",
        "message": ALL_TURNS,
        "user_client_message_id": "aipkit-client-msg-4-1500-01234",
        "_ajax_nonce": "2f2b3b9828",
    }
    stream = provider.dress(flow.send(Reply(status=200, url=URL, body=literals.CACHED)), held)
    assert (stream.method, stream.url) == ("GET", "https://site.example/wp/ajax.php")
    assert stream.query == {
        "bot_id": "4",
        "action": "aipkit_frontend_chat_stream",
        "cache_key": "aipkit_sse_0123456789abcdef",
        "session_id": "guest",
        "conversation_uuid": "01234567-89ab-cdef-0123-456789abcdef",
        "post_id": "6",
        "_ts": "1500",
        "_ajax_nonce": "2f2b3b9828",
    }


def test_2x_without_streams_is_asked_in_one_step_by_the_same_visitor_each_time() -> None:
    forms = [asked(PAGES["2.x", "json"]).form or {} for _ in range(2)]
    assert (forms[0]["action"], forms[0]["message"]) == ("aipkit_frontend_chat_message", ALL_TURNS)
    assert forms[0]["session_id"] == forms[1]["session_id"] == str(uuid.UUID(forms[0]["session_id"]))


def test_2x_is_not_asked_for_a_stream_of_nothing() -> None:
    provider, held = AIPowerSite(site()), session(SECOND)
    flow = provider.answer(chat(), held)
    next(flow)
    with pytest.raises(Changed, match="without a cache_key"):
        flow.send(Reply(status=200, url=URL, body=b'{"success":true,"data":{}}'))


def test_only_2x_has_an_endpoint_for_a_new_nonce() -> None:
    provider, held = AIPowerSite(site()), session(SECOND)
    assert provider.refresh(session(FIRST)) is None
    flow = provider.refresh(held)
    assert flow is not None
    request = provider.dress(next(flow), held)
    assert (request.url, request.form) == (
        "https://site.example/wp/ajax.php",
        {"action": "aipkit_get_frontend_chat_nonce", "bot_id": "4"},
    )
    with pytest.raises(StopIteration) as stop:
        flow.send(Reply(status=200, url=URL, body=b'{"success":true,"data":{"nonce":"new"}}'))
    assert stop.value.value == {"nonce": "new"}


@pytest.mark.parametrize("body", [b"0", b'{"success":false}', b'{"success":true,"data":{"nonce":""}}', b"<html>"])
def test_an_endpoint_that_gives_no_nonce_is_no_rung(body: bytes) -> None:
    flow = AIPowerSite(site()).refresh(session(SECOND))
    assert flow is not None
    next(flow)
    with pytest.raises(MissingToken, match="nonce"):
        flow.send(Reply(status=200, url=URL, body=body))


TWO_BOTS = configured(9, "Sales", popup=True) + configured(4) + configured(4, popup=True) + configured(7, "Süß & Co.")


def test_several_bots_are_models_once_the_page_was_seen() -> None:
    provider, held = AIPowerSite(site()), session(TWO_BOTS)
    assert provider.models() == ("site",)
    assert provider.models(held.tokens) == ("site", "support-bot", "süß-co", "sales")
    assert provider.models(session(SECOND).tokens) == ("site",)
    for model, bot in (("", "4"), ("site", "4"), ("support-bot", "4"), ("sales", "9"), ("süß-co", "7")):
        assert (asked(TWO_BOTS, provider.model(model)).form or {})["bot_id"] == bot


def test_bots_of_one_name_are_told_apart_by_their_ids() -> None:
    tokens = session(configured(4, "Bot") + configured(5, "Bot") + configured(6, "")).tokens
    assert AIPowerSite(site()).models(tokens) == ("site", "bot-4", "bot-5", "bot-6")


def test_a_bot_that_the_page_does_not_have_is_an_error_that_lists_those_it_has() -> None:
    with pytest.raises(UnknownModel, match=r"no model 'buyer'; its page has: site, support-bot, süß-co, sales"):
        asked(TWO_BOTS, AIPowerSite(site()).model("buyer"))
    with pytest.raises(UnknownModel, match="no model 'support-bot'"):
        ChatGpttSite(site()).model("support-bot")


def test_names_that_the_settings_give_stand_for_the_first_bot_unless_they_are_a_bots() -> None:
    provider, held = AIPowerSite(site(models=("mine", "sales"))), session(TWO_BOTS)
    sent = [next(provider.answer(chat(model=model), held)).form or {} for model in ("mine", "sales")]
    assert [form["bot_id"] for form in sent] == ["4", "9"]


STEPS = [{"open": "/wp-login.php"}, {"fill": "#user_login", "value": "env:BLOG_USER"}, {"click": "#wp-submit"}]


def test_who_logs_in_is_told_by_another_sign_than_the_chat() -> None:
    options = PowerOptions.model_validate({"ready": "body.logged-in", "visit": {"steps": STEPS}})
    provider = AIPowerSite(site(options=options))
    assert (provider.ready, len(provider.steps)) == ("body.logged-in", 3)
    assert provider.refresh(session(SECOND)) is None, "the endpoint would make a guest of a login that has ended"
    assert AIPowerSite(site()).ready == READY
    with pytest.raises(ValueError, match="expected ready as well"):
        PowerOptions.model_validate({"visit": {"steps": STEPS}})


def test_a_session_of_an_earlier_doorkey_does_not_fit() -> None:
    held = session(FIRST)
    assert AIPowerSite(site()).fits(held)
    assert not AIPowerSite(site()).fits(replace(held, tokens={"nonce": "1", "post_id": "2"}))


def test_an_empty_question_is_an_error_before_anything_is_sent() -> None:
    provider = AIPowerSite(site())
    with pytest.raises(RequestError, match="empty"):
        next(provider.answer(chat(Message("user", " ")), session(SECOND)))


@pytest.mark.parametrize("html", [FIRST, SECOND])
def test_a_nonce_is_never_sent_to_another_origin(html: str) -> None:
    for said, evil in (("site.example\\/wp", "evil.example\\/wp"), ("site.example/wp", "evil.example/wp")):
        html = html.replace(said, evil)
    assert asked(html).url == "https://site.example/wp-admin/admin-ajax.php"


NESTED = "[" * 100_000


@pytest.mark.parametrize("told", ["http://[", "javascript:x", 7, None, ["x"]])
def test_an_endpoint_that_is_none_is_wordpress_usual_one(told: object) -> None:
    for page in (
        configured(ajaxUrl=told),
        f"<script>var wpaicgParams = {json.dumps({'ajax_url': told})}</script>" + marked(),
    ):
        assert asked(page).url == "https://site.example/wp-admin/admin-ajax.php"


def test_a_page_that_means_harm_is_read_as_far_as_it_can_be() -> None:
    hostile = f"<p data-config='{NESTED}'></p><script>var wpaicgParams = {NESTED}</script>"
    for page, bot in (
        (configured(bot="4\x1b[2J") + configured(7, postId={"x": 1}), "7"),
        (marked(bot="4\x1b[2J"), "0"),
    ):
        assert [told["id"] for told in read_bots(session(hostile + page).tokens)] == [bot]


def test_what_is_not_the_chats_own_request_goes_as_it_is() -> None:
    held = session(FIRST)
    for request in (Request(url="/wp-json/"), Request(url="/x", method="POST", form={"action": "search"})):
        assert AIPowerSite(site()).dress(request, held) is request


@pytest.mark.parametrize(
    ("html", "told"),
    [
        ("<html></html>", "no nonce"),
        ("<p data-config='{\"nonce\": 1}'><p data-config='[\"nonce\"]'><p data-config='\"nonce\":'>", "no nonce"),
        (configured(nonce=""), "no nonce"),
        (marked(post="&lt;"), "no post id"),
        (marked(nonce=""), "no nonce"),
    ],
)
def test_a_page_without_a_token_says_which(html: str, told: str) -> None:
    with pytest.raises(MissingToken, match=told):
        session(html)


@pytest.mark.parametrize(
    ("status", "kind", "body", "expected"),
    [
        (403, "text/html", b"<html>", Kind.REFUSED),
        (503, "text/html", b"", Kind.SITE_DOWN),
        (429, "application/json", b'{"success":false,"data":{}}', Kind.RATE_LIMITED),
        (403, "application/json", b'{"success":false,"data":{"code":"cors_denied"}}', Kind.REFUSED),
        (400, "application/json", b'{"success":false,"data":"no"}', Kind.CHANGED),
        (200, "application/json", b'{"success":false,"data":null}', Kind.SITE_DOWN),
    ],
)
def test_what_has_no_name_is_judged_by_its_status(status: int, kind: str, body: bytes, expected: Kind) -> None:
    head = Head(status=status, headers={"content-type": kind}, url=URL, start=body)
    assert AIPowerSite(site()).judge(asked(SECOND), head, session(SECOND)).kind is expected


@pytest.mark.parametrize("row", literals.GOOD, ids=lambda row: row.name)
def test_an_answer_may_hold_the_words_of_a_refusal(row: Row) -> None:
    words = "The link you followed has expired. Invalid nonce. <title>Something went wrong</title> data: [LIMITED]"
    body = row.body.replace("Grüße 😀,".encode(), words.encode())
    text = row.text.replace("Grüße 😀,", words)
    assert understood(replace(row, body=body)) == (text, Kind.OK)


def test_a_page_that_mentions_the_sentence_is_no_dead_nonce() -> None:
    head = Head(status=200, headers={"content-type": "text/html"}, url=URL, start=literals.DIED)
    provider = AIPowerSite(site())
    assert provider.judge(asked(FIRST), head, session(FIRST)).kind is Kind.REFUSED
    assert provider.judge(Request(url="/help/"), head, session(FIRST)).kind is Kind.OK


def test_a_request_of_the_other_generation_is_dressed_as_far_as_it_goes() -> None:
    provider = AIPowerSite(site())
    first = Request(url="/a", method="POST", form={"action": "wpaicg_chat_shortcode_message", "message": "hi"})
    assert (provider.dress(first, session(SECOND)).form or {})["_wpnonce"] == "2f2b3b9828"
    second = Request(url="/a", method="POST", form={"action": "aipkit_cache_sse_message", "message": "hi"})
    assert (provider.dress(second, session(FIRST)).form or {})["_ajax_nonce"] == "991b4ad892"


def test_a_failure_of_another_request_to_the_site_is_its_callers_business() -> None:
    head = Head(status=200, headers={"content-type": "application/json"}, url=URL, start=literals.UNVERIFIED)
    assert AIPowerSite(site()).judge(Request(url="/wp-json/x"), head, session(FIRST)).kind is Kind.OK


def chunk(text: str, **more: str) -> str:
    told = {"choices": [{"delta": {"content": text}}], **more}
    return f"data: {json.dumps(told, ensure_ascii=False)}\n\n"


WHOLE = {"id": "c", "object": "chat.completion.chunk", "model": "m"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("data: rubbish\n\n", ("", Kind.CHANGED)),
        ("", ("", Kind.CUT)),
        ("data: [DONE]\n\n", ("", Kind.OK)),
        (chunk("hi") + "data: [DONE]\n\n", ("hi", Kind.OK)),
        (chunk("Oh no"), ("", Kind.SITE_DOWN)),
        (chunk("Well, ", **WHOLE) + chunk("Oh no"), ("Well, ", Kind.SITE_DOWN)),
        # Azure's first chunk has an empty id, and no text.
        ('data: {"id":"","object":"","model":"","choices":[]}\n\n' + chunk("hi", **WHOLE), ("hi", Kind.CUT)),
        (literals.SUCCESS.decode(), (literals.ANSWER, Kind.OK)),
    ],
)
def test_a_1x_stream_is_believed_only_as_far_as_its_forms_are_known(body: str, expected: tuple[str, Kind]) -> None:
    assert decoded(PowerStream(), body.encode()) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("data: rubbish\n\n", ("", Kind.CHANGED)),
        ("", ("", Kind.CUT)),
        ("event: error\ndata: {}\n\n", ("", Kind.SITE_DOWN)),
        ('event: error\ndata: {"error": null}\n\n', ("", Kind.SITE_DOWN)),
        ('data: {"delta":"hi"}\n\ndata: {"finished":true}\n\n', ("hi", Kind.OK)),
        ('event: status\ndata: {"delta":"thinking"}\n\nevent: done\ndata: {}\n\n', ("", Kind.OK)),
        ('event: status\ndata: {}\n\ndata: {"delta":"after it"}\n\nevent: done\ndata: {}\n\n', ("after it", Kind.OK)),
    ],
)
def test_a_2x_stream_is_believed_only_as_far_as_its_forms_are_known(body: str, expected: tuple[str, Kind]) -> None:
    assert decoded(TwoStream(), body.encode()) == expected


def chunk(delta: str, reason: str = "null") -> bytes:
    return b'data: {"id":"x","object":"c","model":"m","choices":[{"delta":{%s},"finish_reason":%s}]}\n\n' % (
        delta.encode(), reason.encode(),
    )  # fmt: skip


@pytest.mark.parametrize("reason", ["length", "content_filter", "stop"])
def test_the_sites_reason_for_the_end_is_kept(reason: str) -> None:
    decoder = PowerStream()
    body = chunk('"content":"half a wo"') + chunk("", f'"{reason}"') + b"data: [DONE]\n\n"
    assert decoded(decoder, body) == ("half a wo", Kind.OK)
    assert decoder.finish_reason == reason


def test_a_chunk_over_several_lines_is_one_chunk() -> None:
    pretty = chunk('"content":"whole"').replace(b",", b",\ndata: ")
    assert decoded(PowerStream(), pretty + b"data: [DONE]\n\n") == ("whole", Kind.OK)
    # Without the blank lines between events, too.
    lines = (pretty + chunk('"content":" text"')).replace(b"\n\n", b"\n")
    assert decoded(PowerStream(), lines + b"data: [DONE]\n") == ("whole text", Kind.OK)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"status":"error","msg":"Nonce verification failed"}', Kind.STALE),
        (b"0", Kind.CHANGED),
        (b"-1", Kind.BLOCKED),
    ],
)
def test_a_byte_order_mark_hides_no_failure(body: bytes, kind: Kind) -> None:
    held = session(FIRST)
    provider = AIPowerSite(site())
    request = provider.dress(next(provider.answer(chat(), held)), held)
    for mark in (b"", b"\xef\xbb\xbf"):
        head = Head(status=200, headers={"content-type": "application/json"}, url=URL, start=mark + body)
        assert provider.judge(request, head, held).kind is kind
