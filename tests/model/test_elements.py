"""A page's elements, read without a tree."""

from __future__ import annotations

import subprocess
import sys

import pytest

from doorkey.model.elements import Element, list_elements

FACTS = """
import sys
from doorkey.model.page import Page
from doorkey.reports.clues import Failure
from doorkey.reports.making import read_facts
html = "<title>Wiki</title><input name=csrf value=1a2b><script src=/a.js></script>"
page = Page(url="https://wiki.example/", html=html)
facts = read_facts(page, Failure(site="wiki", code="", message=""), at=0.0, status=200)
print(facts.title, facts.fields, facts.scripts, [name for name in ("bs4", "lxml") if name in sys.modules])
"""


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ("<P Class='a b' hidden>text", [Element("p", {"class": "a b", "hidden": ""})]),
        ("<input name=one name=two>", [Element("input", {"name": "one"})]),
        ("<title>A &amp; B</title> C", [Element("title", {}, ["A & B"])]),
        ("<script>if (a<b) '<input>'</script><hr>", [Element("script", {}, ["if (a<b) '<input>'"]), Element("hr", {})]),
        ("<!-- <input> --><hr>", [Element("hr", {})]),
        ("<![unknown[<input>]]><hr>", [Element("hr", {})]),
        ("<hr><!-- never ends <input>", [Element("hr", {})]),
        ("<hr><input name='never ends", [Element("hr", {})]),
        ("", []),
    ],
)
def test_elements_are_read_as_browsers_read_them(html: str, found: list[Element]) -> None:
    read = list_elements(html)
    assert [(one.name, one.attributes, one.text) for one in read] == [
        (one.name, one.attributes, one.text) for one in found
    ]


def test_a_visit_that_works_is_remembered_without_loading_a_tree_s_parser() -> None:
    done = subprocess.run([sys.executable, "-c", FACTS], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "Wiki ('[name=csrf]',) ('/a.js',) []"
