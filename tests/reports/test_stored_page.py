"""The page that a report stores: selectors find in it what they found in the page, and it holds no secret."""

from __future__ import annotations

import pytest

from doorkey.errors import RequestError
from doorkey.model.evidence import VisitEvidence
from doorkey.model.page import Page
from doorkey.reports.clues import Failure
from doorkey.reports.making import VisitMaterial, make_visit
from doorkey.reports.masking import Masker
from doorkey.reports.rules import kind_of
from doorkey.reports.stored_page import LARGEST, store_page, try_rule

SECRET = "hidden/canary+77=="
HTML = f"""<!doctype html><html><head><title>Wiki</title><meta name="csrf-token" content="{SECRET}">
<script>var token = "{SECRET}";</script><!-- {SECRET} --></head><body onload="use('{SECRET}')">
<ul><li>one</li><li class="item big" data-key="{SECRET}" style="background:url({SECRET})">two {SECRET}</li></ul>
<a id="out" href="/logout?token={SECRET}#{SECRET}">Log out</a><input name="q" value=""><input name="pw" value="hunter2">
<form action="/go/{SECRET}"><textarea>{SECRET}</textarea></form></body></html>"""


@pytest.fixture
def stored() -> str:
    page = Page(url="https://wiki.test/", html=HTML, cookies={"sid": "Cookie7canary4value"})
    material = VisitMaterial(
        failure=Failure(site="wiki", code="site_changed"),
        at=100.0,
        version="1",
        evidence=VisitEvidence(url=page.url, page=page, filled=("ul", "hunter2")),
        secrets=(SECRET,),
    )
    return make_visit(material)[1]


def test_it_holds_no_secret_and_no_value(stored: str) -> None:
    for secret in (SECRET, "canary", "hunter2"):
        assert secret not in stored
    assert "<script></script>" in stored
    assert "onload" not in stored


@pytest.mark.parametrize(
    ("rule", "count", "reads"),
    [
        ("#out", 1, "its text has a value"),
        ("meta[name=csrf-token]@content", 1, "its content has a value"),
        ("css:input[name=q]@value", 1, "its value is empty"),
        ("input[name=q]@data-token", 1, "its data-token is not there; its attributes are name, value"),
        ("li.item.big[data-key]@data-key", 1, "its data-key has a value"),
        ("li:nth-child(2)", 1, "its text has a value"),
        ("ul > li", 2, "its text has a value"),
        ("a[href='/logout']", 1, "its text has a value"),
    ],
)
def test_a_rule_finds_what_it_would_in_the_page(stored: str, rule: str, count: int, reads: str) -> None:
    tried = try_rule(rule, stored)
    assert (tried.count, tried.reads) == (count, reads)
    assert all(tag.startswith("<") for tag in tried.tags)


def test_what_is_not_there_is_told_with_what_is_near(stored: str) -> None:
    tried = try_rule("meta[name=csrf_token]@content", stored)
    assert (tried.count, tried.near[0]) == (0, "meta[name=csrf-token]")


@pytest.mark.parametrize("rule", ["li[", "cookie:sid", "html:/x/", "local:jwt"])
def test_what_is_no_selector_is_refused(stored: str, rule: str) -> None:
    with pytest.raises(RequestError, match="CSS selector"):
        try_rule(rule, stored)


def test_a_pseudo_class_is_no_kind_of_rule() -> None:
    assert [kind_of(rule) for rule in ("li:first-child", "cookie:sid", "css:a", "a:is(b, c)")] == [
        "css", "cookie", "css", "css",
    ]  # fmt: skip


class CountingMasker(Masker):
    """Counts how often a text is searched for all secrets."""

    searched = 0

    def mask(self, text: str) -> str:
        self.searched += 1
        return super().mask(text)


def test_a_large_page_is_searched_for_its_secrets_once() -> None:
    rows = "".join(f'<p class="row" id="r{number}">text {number}</p>' for number in range(7000))
    page = Page(url="https://wiki.test/", html=f"<body>{rows}</body>")
    assert 200_000 < len(page.html) <= LARGEST
    masker = CountingMasker(f"secret-value-{number:06d}" for number in range(300))
    stored = store_page(page, masker)
    assert masker.searched == 1, "thousands of texts one by one would take seconds"
    assert try_rule("#r6999", stored).count == 1
    assert store_page(Page(url="https://wiki.test/", html="x" * (LARGEST + 1)), masker) == ""
