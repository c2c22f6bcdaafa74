"""`doorkey check` and `doorkey visit` go in now, and say what they found without giving the key away."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from doorkey_providers.twins.aichats import AiChatsTwin
from doorkey_providers.twins.twin import Twin
from doorkey_providers.twins.wordpress import ChatgptFreeTwin

from .conftest import Done, Doorkey

pytestmark = [pytest.mark.browser, pytest.mark.slow]
Quick = Callable[..., Done]
Nearby = Callable[[Twin], Twin]
LIMITED = {"DOORKEY_SITES__CHATGPTFREE__MANNERS__RATE": "5"}


async def test_check_says_every_rule_step_token_and_verdict_and_reads_robots_txt(doorkey: Doorkey, twin: Twin) -> None:
    done = await doorkey("check", "-v", "--probe", settings=LIMITED)
    assert done.code == 0
    assert done.out.startswith("chatgptfree: visited in ")
    assert "answered in" in done.out
    for line in (
        "rule     the page is ready when it contains [data-nonce]",
        f"step     browser: opening {twin.url}",
        "step     the page came with HTTP 200",
        "token    nonce = ",
        "cookie   wp_guard_ok = ",
        "verdict  ok: session from a browser",
        "step     asking chatgptfree",
        "verdict  ok: HTTP 200",
        "robots   none\n",
    ):
        assert f"\n  {line}" in done.err
    cookie = twin.log[-1].cookies["wp_guard_ok"]
    nonce = next(str(value) for name, value in twin.log[-1].fields.items() if "nonce" in name)
    assert cookie not in done.out + done.err
    assert nonce not in done.out + done.err
    (site,) = json.loads((await doorkey("sites", "--json", settings=LIMITED)).out)
    assert site["robots"] == "none"
    assert (site["pace"]["at_once"], site["pace"]["rate"], site["pace"]["queue"]) == (2, 5.0, [])


def test_one_site_that_fails_hides_no_other(quick: Quick, nearby: Nearby) -> None:
    nearby(ChatgptFreeTwin()).switch(down=True)
    nearby(AiChatsTwin())
    settings = {"DOORKEY_LIMITS__PATIENCE": "0"}
    results = json.loads((done := quick("check", "--json", settings=settings)).out)
    assert done.code == 5
    found = {result["site"]: (result["exit"], result.get("code")) for result in results}
    assert found == {"chatgptfree": (5, "provider_unavailable"), "aichats": (0, None)}


def test_visit_goes_in_anew_and_masks_what_it_shows_unless_asked(quick: Quick, nearby: Nearby) -> None:
    twin = nearby(ChatgptFreeTwin())
    assert " none " in quick("sites").out
    told = json.loads(quick("visit", "chatgptfree", "--json", "--reveal").out)
    shown = quick("visit", "chatgptfree")
    assert (shown.code, shown.err) == (0, "")
    assert twin.counts.page_loads == 2
    assert len(told["tokens"]["nonce"]) == 10
    assert told["tokens"]["nonce"] not in shown.out
    assert told["cookies"][0]["value"] not in shown.out
    assert "… (10 characters)" in shown.out
    (site,) = json.loads(quick("sites", "--json").out)
    assert (site["name"], site["state"], site["rung"]) == ("chatgptfree", "fresh", "browser")
    assert site["gen"] > told["generation"]
    assert twin.counts.page_loads == 2


def test_sites_fits_80_columns_and_says_ages(quick: Quick, nearby: Nearby) -> None:
    nearby(ChatgptFreeTwin())
    quick("visit", "chatgptfree")
    shown = quick("sites").out
    assert re.search(r"^chatgptfree +chatgptfree +fresh, \d+ s old +http://", shown, re.M)
    assert max(map(len, shown.splitlines())) <= 80
    assert "made        from a browser" in quick("sites", "-v").out
