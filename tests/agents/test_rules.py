from __future__ import annotations

import pytest
from pydantic import ValidationError

from doorkey.agents.rules import check_request
from doorkey.config.agent_schema import AgentSettings
from doorkey.errors import RequestError

RULES = AgentSettings(write=("POST /api/items", "DELETE /api/items/*", "PUT /w/rest.php/v1/page/*-draft"))


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/"),
        ("GET", "/any/where?q=a%20b&x=[1]"),
        ("HEAD", "/api/items/"),
        ("POST", "/api/items"),
        ("POST", "/api/items?draft=1"),
        ("POST", "/api/%69tems"),
        ("DELETE", "/api/items/7"),
        ("PUT", "/w/rest.php/v1/page/Home-draft"),
    ],
)
def test_reads_and_what_a_rule_names_may_be_sent(method: str, target: str) -> None:
    check_request(RULES, "wiki", method, target)


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", "/api/items/7"),
        ("POST", "/api/Items"),
        ("POST", "/api/items%2F7"),
        ("DELETE", "/api/items/7/all"),
        ("DELETE", "/api/items/7%2Fall"),
        ("DELETE", "/api/items/"),
        ("PUT", "/w/rest.php/v1/page/Home"),
        ("PATCH", "/api/items"),
        ("OPTIONS", "/api/items"),
        ("TRACE", "/"),
    ],
)
def test_any_other_request_is_refused_with_the_setting(method: str, target: str) -> None:
    with pytest.raises(RequestError, match=r"sites\.wiki\.agents\.write"):
        check_request(RULES, "wiki", method, target)


@pytest.mark.parametrize(
    "target",
    [
        "", "api", "//evil.example/x", "https://evil.example/", "/a b", "/ä", "/x#y", "/x\\y", "/a/../b", "/a/%2e%2e/b",
        "/a//b", "/api/items;x", "/a%5Cb", "/a%00b", "/a\nb",
    ],
)  # fmt: skip
def test_a_path_that_sites_may_read_differently_is_refused(target: str) -> None:
    with pytest.raises(RequestError) as caught:
        check_request(AgentSettings(write=("POST /api/*",)), "wiki", "GET", target)
    assert caught.value.param == "path"


@pytest.mark.parametrize(
    "query",
    ["_method=DELETE", "a=1&_METHOD=delete", "a;_method=x", "%5Fmethod=x", ".method=x", "[method=x", "%20_method=x",
     "x-http-method-override=PUT", "x=1&_method"],
)  # fmt: skip
def test_a_query_that_changes_the_method_is_refused(query: str) -> None:
    with pytest.raises(RequestError, match="another method"):
        check_request(RULES, "wiki", "GET", f"/api/items?{query}")


@pytest.mark.parametrize("rule", ["GET /x", "HEAD /x", "POST", "POST x", "post /x", "POST /x?y", "* /x", "POST /a b"])
def test_a_rule_that_can_t_be_one_is_a_fault_of_the_settings(rule: str) -> None:
    with pytest.raises(ValidationError, match="expected a method and a path"):
        AgentSettings(write=(rule,))
