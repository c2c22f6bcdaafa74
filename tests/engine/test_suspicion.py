"""What a page shows of who is looking at it, in whatever encoding and form it comes."""

from __future__ import annotations

import pytest

from doorkey.engine.check.facts import LoginForm, PageFacts, read_facts
from doorkey.engine.check.suspicion import Known, needs_parsing
from doorkey.model.request import Head

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
