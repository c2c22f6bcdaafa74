"""What a page shows of who is looking at it, in whatever encoding and form it comes."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from doorkey.engine.check.facts import LoginForm, PageFacts, login_form_of, read_facts
from doorkey.engine.check.shapes import Accepted, shape_of
from doorkey.engine.check.suspicion import Known, find_ground, needs_parsing
from doorkey.engine.decision_tables import Suspicion
from doorkey.model.login_steps import steps_of
from doorkey.model.request import Head, Request
from doorkey.model.verdict import Kind, Verdict

STRANGER = PageFacts(200, "/", title="Вход на сайт")


def known(form: LoginForm) -> Known:
    return Known(form=form, stranger=STRANGER, home=None, login_cookies=(), free_cookies=frozenset())


@pytest.mark.parametrize(
    ("content_type", "start", "encoding"),
    [
        ("text/html; charset=windows-1251", "", "cp1251"),
        ("text/html", "<meta charset=koi8-r>", "koi8-r"),
        ("text/html", "\ufeff", "utf-16le"),
        ("text/html", "", "utf-8"),
    ],
)
def test_a_page_that_strangers_see_is_noticed_in_any_encoding(content_type: str, start: str, encoding: str) -> None:
    def noticed(html: str, form: LoginForm | None = None) -> bool:
        body = f"{start}{html}".encode(encoding)
        head = Head(status=200, headers={"content-type": content_type}, held=body, complete=True)
        return needs_parsing(head, known(form or LoginForm()))

    assert noticed("<title>Вход на сайт</title>")
    assert noticed("<input type=password>")
    assert noticed("<input name=логин>", LoginForm(fields=frozenset({"логин"})))
    assert not noticed("<title>Заметки</title>")


@pytest.mark.parametrize("declaration", ["", '<?xml version="1.0" encoding="utf-8"?>\n', "\n<?xml version='1.0'?>"])
def test_a_page_of_xhtml_shows_its_login_form(declaration: str) -> None:
    html = f"{declaration}<html><title>Вход на сайт</title><form><input type='password' name='p'/></form></html>"
    assert read_facts(200, "http://site/", html, LoginForm()) == PageFacts(200, "/", "Вход на сайт", login=True)


def suspect(request: Request, to: str, accepted: Accepted) -> Suspicion:
    """How suspect a redirect is, where these answers were accepted."""
    head = Head(status=302, headers={"location": to}, url=f"https://site.example{request.url}", complete=True)
    seen = Known(LoginForm(), PageFacts(200, "/"), PageFacts(200, "/"), (), frozenset())
    shape = shape_of(head, request)
    return find_ground(request, head, Verdict(Kind.OK), accepted, shape, None, seen).suspicion


def test_a_redirect_to_what_the_request_named_leads_where_others_do() -> None:
    def save(title: str, to: str) -> Suspicion:
        return suspect(Request(url="/save", method="POST", form={"title": title}), to, accepted)

    first = Request(url="/save", method="POST", form={"title": "Black cats"})
    head = Head(status=302, headers={"location": "/wiki/Black_cats"}, url="https://site.example/save", complete=True)
    accepted = Accepted(1, {shape_of(head, first)})
    assert save("White dogs", "/wiki/White_dogs") is Suspicion.NONE
    assert save("White dogs", "/wiki/Login") is Suspicion.VAGUE


START = "https://site.example/doku.php?id=start"
FRONT = "https://site.example/"
WIKI = "https://site.example/index.php?title=Sandbox&action=edit"


@pytest.mark.parametrize(
    ("opened", "home", "to", "suspicion"),
    [
        ("/doku.php?id=start&do=login", START, "/doku.php?id=cats", Suspicion.NONE),
        ("/doku.php?id=start&do=login", START, "/doku.php?id=start", Suspicion.NONE),
        ("/doku.php?id=start&do=login", START, "/doku.php?id=cats&do=login", Suspicion.REFUSING),
        ("/doku.php?do=login", FRONT, "/doku.php?id=cats&do=show", Suspicion.NONE),
        ("/index.php?title=Special:UserLogin&returnto=Sandbox", WIKI, "/index.php?title=Cats", Suspicion.NONE),
        (
            "/index.php?title=Special:UserLogin&returnto=Sandbox",
            WIKI,
            "/index.php?title=Special%3AUserLogin&returnto=Cats",
            Suspicion.REFUSING,
        ),
        ("/login?next=/", FRONT, "/login?next=/notes", Suspicion.REFUSING),
        ("/login?state=4f2a99c01b7d", FRONT, "/login", Suspicion.REFUSING),
        ("/login", FRONT, "/login?lang=en", Suspicion.REFUSING),
        ("/login?lang=en", FRONT, "/login", Suspicion.NONE),
        ("/", FRONT, "/", Suspicion.VAGUE),
        ("/doku.php?id=start", START, "/doku.php?id=start", Suspicion.VAGUE),
        ("/doku.php?id=start", START, "/doku.php?id=cats", Suspicion.NONE),
    ],
)
def test_parameters_tell_the_login_from_other_pages_of_a_script(
    opened: str, home: str, to: str, suspicion: Suspicion
) -> None:
    seen = PageFacts(200, urlsplit(home).path)
    assert redirected(to, opened, home, seen, seen) is suspicion


@pytest.mark.parametrize(
    ("opened", "stranger", "to", "suspicion"),
    [
        ("/login?lang=en", PageFacts(200, "/login", login=True), "/login?lang=de", Suspicion.REFUSING),
        ("/x.php?do=login&lang=en", PageFacts(200, "/x.php", login=True, query="do=login"), "/x.php?do=login",
         Suspicion.REFUSING),
        ("/x.php?do=login&lang=en", PageFacts(200, "/x.php", login=True, query="do=login"), "/x.php?id=cats",
         Suspicion.NONE),
        ("/enter", PageFacts(200, "/x.php", query="do=hello"), "/x.php?do=hello", Suspicion.REFUSING),
        ("/enter", PageFacts(200, "/x.php", query="do=hello"), "/x.php?id=cats", Suspicion.NONE),
    ],
)  # fmt: skip
def test_where_strangers_are_led_tells_which_parameters_vary(
    opened: str, stranger: PageFacts, to: str, suspicion: Suspicion
) -> None:
    assert redirected(to, opened, FRONT, stranger, PageFacts(200, "/")) is suspicion


def test_a_page_that_shows_its_login_in_place_is_no_sight_of_the_login_address() -> None:
    denied = PageFacts(200, "/doku.php", login=True, query="id=start")
    home = PageFacts(200, "/doku.php")
    assert redirected("/doku.php?id=cats", "/doku.php?id=start&do=login", START, denied, home) is Suspicion.NONE


def redirected(to: str, opened: str, home: str, stranger: PageFacts, seen: PageFacts) -> Suspicion:
    """How suspect a redirect is by itself, where such answers were accepted before."""
    form = login_form_of(steps_of([{"open": opened}]), home)
    request = Request(url="/save.php", method="POST")
    head = Head(status=302, headers={"location": to}, url="https://site.example/save.php", complete=True)
    shape = shape_of(head, request)
    facts = Known(form, stranger, seen, (), frozenset())
    return find_ground(request, head, Verdict(Kind.OK), Accepted(1, {shape}), shape, None, facts).suspicion
