"""Single settings of a site are replaced in place; every other byte of the file stays."""

from __future__ import annotations

import tomllib

import pytest

from doorkey.errors import ConfigurationError
from doorkey.recognition.proposal import Line
from doorkey.setup.site_lines import SiteLines

NEW = {"tokens.csrf": [Line("tokens.csrf", "meta[name=csrf]@content", "")]}
SOURCE = "meta[name=csrf]@content"
BEFORE = """# mine
[sites.shop]  # a shop
provider = "web"
url = "https://shop.example/"   # as it was
tokens.csrf = "input[name=csrf]@value"  # old
send = [
    { form = { csrf = "{csrf}" } },  # a list
]
# the next site
[sites.other]
provider = "web"
"""


def test_one_line_is_replaced_and_the_others_keep_their_bytes() -> None:
    after = SiteLines(BEFORE, "shop").replace(NEW)
    assert after == BEFORE.replace('tokens.csrf = "input[name=csrf]@value"  # old', f'tokens.csrf = "{SOURCE}"')


def test_lines_of_a_setting_that_say_the_same_keep_their_bytes() -> None:
    text = '[sites.shop]\nsend.when = "POST /a"   # mine\nsend.form.csrf = "{csrf}"\nprovider = "web"\n'
    lines = [Line("send.when", "POST /a", "other"), Line("send.form.key", "{csrf}", "")]
    after = SiteLines(text, "shop").replace({"send": lines})
    assert after == text.replace("send.form.csrf", "send.form.key")


def test_a_file_with_other_line_ends_keeps_them() -> None:
    before = BEFORE.replace("\n", "\r\n")
    after = SiteLines(before, "shop").replace(NEW)
    assert after.count("\r\n") == after.count("\n") == before.count("\n")


def test_a_new_setting_follows_the_last_one_and_one_without_lines_goes() -> None:
    after = SiteLines(BEFORE, "shop").replace({"ready": [Line("ready", "#out", "said")], "send": []})
    assert 'tokens.csrf = "input[name=csrf]@value"  # old\nready = "#out"  # said\n# the next site' in after


@pytest.mark.parametrize(
    "rest",
    [
        '[sites.shop.tokens]\ncsrf = "x@value"\n[limits]\n',
        '[[sites.shop.send]]\nform = { csrf = "{csrf}" }\n\n[sites.shop.tokens]\ncsrf = "x@value"\nid = "#a@value"',
        '"tokens"."csrf" = """\nx\n"""',
    ],
)
def test_tables_of_their_own_are_understood(rest: str) -> None:
    text = f'[sites.shop]\nprovider = "web"\n{rest}'
    after = SiteLines(text, "shop").replace(NEW)
    expected = tomllib.loads(text)
    expected["sites"]["shop"]["tokens"]["csrf"] = SOURCE
    assert tomllib.loads(after) == expected


def test_several_settings_in_one_list_of_tables_are_replaced_as_a_whole() -> None:
    text = (
        '[sites.shop]\nprovider = "web"\n[[sites.shop.send]]\nwhen = "POST /a"\n[[sites.shop.send]]\nwhen = "POST /b"\n'
    )
    after = SiteLines(text, "shop").replace({"send": [Line("send.when", "POST /c", "")]})
    assert tomllib.loads(after)["sites"]["shop"] == {"provider": "web", "send": {"when": "POST /c"}}


def test_a_site_in_braces_is_left_to_its_owner() -> None:
    with pytest.raises(ConfigurationError, match="by hand"):
        SiteLines('sites = { shop = { provider = "web" } }', "shop")
    with pytest.raises(ConfigurationError, match="by hand"):
        SiteLines('[sites.shop]\ntokens = { csrf = "a", id = "b" }\n', "shop").replace(NEW)
