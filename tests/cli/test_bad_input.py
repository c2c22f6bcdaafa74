"""Bad input is answered by one clear message on standard error and the right exit code; no traceback, no secret."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from doorkey_providers.twins.twin import Twin
from doorkey_providers.twins.wordpress import ChatgptFreeTwin

from .conftest import Done, Doorkey

Quick = Callable[..., Done]
Nearby = Callable[[Twin], Twin]
IMPATIENT = {"DOORKEY_LIMITS__PATIENCE": "0"}
SHORT = {"DOORKEY_LIMITS__VISIT": "6"}
PROMPT = "my-secret-prompt"
SITE = {"DOORKEY_SITES__CHATGPTFREE__URL": "http://127.0.0.1:1/"}


def says(done: Done, code: int, *words: str) -> None:
    """One message of doorkey's that holds *words*, nothing else, and *code*."""
    assert done.out == ""
    assert done.err.startswith("doorkey: "), done.err
    assert done.err.count("doorkey: ") == 1
    assert "Traceback" not in done.err
    assert PROMPT not in done.err
    assert [word for word in words if word not in done.err] == []
    assert done.code == code


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("visit", "chatgptfre"), ("no site is called 'chatgptfre'", "did you mean 'chatgptfree'")),
        (("check", "nowhere"), ("no site is called 'nowhere'", "configured: chatgptfree")),
        (("open", "nowhere"), ("no site is called 'nowhere'",)),
        (("ask", "-m", "nowhere/x", PROMPT), ("no model is called 'nowhere/x'", "chatgptfree/")),
        (("ask", "-m", "chatgptfree/gpt-9", PROMPT), ("chatgptfree has no model 'gpt-9'", "it has:")),
        (("ask", "-m", "chatgptfree", ""), ("the question is empty", "standard input")),
        (("ask", "  \n"), ("the question is empty",)),
        (("ask", "--image", "cat.png", PROMPT), ("no configured site makes images", "chatgptfree")),
        (("ask", "--image", "no/such/cat.png", PROMPT), ("can't be written", "there is no folder no/such")),
        (("serve", "--no-key", "--host", "0.0.0.0"), ("--no-key is for this machine only", "0.0.0.0")),
        (("serve", "--key", " "), ("--key: service.key: expected a key that is not empty",)),
        (("serve", "--host", "203.0.113.7", "--key", "abc"), ("clear text", "service.certificate")),
        (("serve", "--socket", "/nowhere/at/all.sock"), ("service.socket", "can't be listened on")),
        (("visit", "chatgptfree", "--headed"), ("no screen", "browser.display")),
        (("config", "check", "--config", "none.toml"), ("there is no settings file none.toml",)),
    ],
)
def test_a_wrong_name_or_value_is_told(quick: Quick, arguments: tuple[str, ...], words: tuple[str]) -> None:
    says(quick(*arguments, settings=SITE), 2, *words)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"DOORKEY_SITES__X__URL": "http://127.0.0.1:1/"}, ("no provider is called 'x'", "installed:", "wpaicg")),
        ({"DOORKEY_SITES__WPAICG__PROVIDER": "wpaicgg"}, ("'wpaicgg'", "did you mean 'wpaicg'")),
        ({"DOORKEY_SITES__AICHAT__MODELS": "a"}, ("sites.aichat has no url",)),
        ({"DOORKEY_SERVICE__PROT": "1"}, ("DOORKEY_SERVICE__PROT", "did you mean 'DOORKEY_SERVICE__PORT'")),
        ({"DOORKEY_SERVICE__PORT": "many"}, ("DOORKEY_SERVICE__PORT", "integer", "'many'")),
        (
            {**SITE, "DOORKEY_SITES__CHATGPTFREE__PROXY": "socks4://me:hunter2@h:1"},
            ("expected an http(s) or socks5 proxy",),
        ),
        ({**SITE, "DOORKEY_SITES__CHATGPTFREE__PROFILE": "dekstop"}, ("no profile", "desktop")),
        ({**SITE, "DOORKEY_MODELS__FAST": "chatgptfre/x"}, ("no site is called 'chatgptfre'", "chatgptfree")),
        ({"DOORKEY_STORE__URL": "mysql://u:hunter2@h"}, ("store.url", "sqlite")),
    ],
)
def test_a_wrong_variable_is_told_by_its_name(quick: Quick, settings: dict[str, str], words: tuple[str]) -> None:
    done = quick("config", "check", settings=settings)
    says(done, 2, *words)
    assert "hunter2" not in done.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"[service\nport = 1\n", ("is no valid TOML", "line 1")),
        (b"\xff\xfe", ("UTF-8 text was expected",)),
        (b"[service]\nport = 1\nprot = 2\n", ("line 3", "unknown key service.prot", "'port'")),
        (b"[service]\nkey = 17\nport = -1\n", ("line 2", "line 3", "service.key", "service.port")),
        (b"[sites.chatgptfree]\nurl = 'ftp://h/'\n", ("line 2", "expected an http(s) URL")),
    ],
)
def test_a_wrong_file_is_told_by_its_line(quick: Quick, text: bytes, words: tuple[str]) -> None:
    Path("doorkey.toml").write_bytes(text)
    says(quick("config", "check"), 2, "doorkey.toml", *words)


def test_standard_input_that_says_nothing_or_no_text_is_told(quick: Quick) -> None:
    says(quick("ask", "-", input=b"", settings=SITE), 2, "the question is empty")
    says(quick("ask", "-", input=b"a\xff\xfe", settings=SITE), 2, "not UTF-8 text: byte 1")


def test_without_a_site_the_way_on_is_told(quick: Quick) -> None:
    says(quick("ask", PROMPT), 2, "no site is configured", "doorkey demo")
    says(quick("check"), 2, "no site is configured", "doorkey add URL")
    for command in (("sites",), ("config", "check")):
        done = quick(*command)
        assert "no site is configured" in done.out
        assert (done.code, done.err) == (0, "")


def test_a_missing_site_is_told_with_the_file_that_was_read_or_the_places_looked_in(quick: Quick) -> None:
    says(quick("fetch", "wiki"), 2, str(Path("doorkey.toml").absolute()), "there is no", "doorkey add URL")
    Path("doorkey.toml").write_text('[sites.docs]\nprovider = "web"\nurl = "https://docs.example/"\n')
    says(quick("fetch", "wiki"), 2, f"in {Path('doorkey.toml').absolute()}", "configured: docs", "doorkey add URL")


def test_a_key_with_a_blank_before_it_is_refused_by_config_check(quick: Quick) -> None:
    Path("doorkey.toml").write_text('[service]\nkey = " secret-key"\n')
    done = quick("config", "check")
    says(done, 2, "line 2: service.key", "without blanks")
    assert "secret-key" not in done.out + done.err


def test_an_empty_key_in_the_environment_counts_as_none(quick: Quick) -> None:
    done = quick("config", "check", "--json", settings={"DOORKEY_SERVICE__KEY": ""})
    assert (done.code, done.err) == (0, "")
    assert '"key": null' in done.out


def test_a_port_that_is_taken_is_told(quick: Quick) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        says(quick("serve", "--port", port, settings=SITE), 2, f"port {port}", "is taken", "--port")


def test_a_home_that_cannot_be_written_is_told(quick: Quick) -> None:
    for command in (("sites",), ("serve", "--port", "0")):
        says(quick(*command, settings={**SITE, "HOME": "/proc/nowhere"}), 2, "data folder", "XDG_DATA_HOME")


@pytest.mark.parametrize(
    ("executable", "words"),
    [("/bin/true", ("does not name a Chromium",)), ("/no/chromium", ("the file does not exist",))],
)
def test_a_wrong_executable_is_told(quick: Quick, executable: str, words: tuple[str]) -> None:
    settings = {**SITE, "DOORKEY_BROWSER__EXECUTABLE": executable}
    for command in (("ask", PROMPT), ("demo", "--once")):
        says(quick(*command, settings=settings), 2, "browser.executable", executable, *words)


def test_no_chromium_is_told_with_the_way_to_get_one(quick: Quick) -> None:
    from doorkey.browser.chromium import PLACES

    if any(Path(place).exists() for place in PLACES):
        pytest.skip("this machine has a Chromium in a place that is always looked at")
    # Without a PATH: the interpreter's own folder is all that is left.
    path = {"PATH": str(Path(sys.executable).parent), "PLAYWRIGHT_BROWSERS_PATH": "0"}
    says(quick("ask", PROMPT, settings={**SITE, **path}), 2, "no Chromium was found", "doorkey browser --install")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ask",), "Missing argument"),
        (("asks", "x"), "No such command"),
        (("ask", "x", "--timeout", "0"), "--timeout"),
        (("serve", "--port", "70000"), "--port"),
        (("serve", "--key", "secret", "--no-key"), "exclude each other"),
        (("visit", "a", "--nosuch"), "No such option"),
    ],
)
def test_wrong_usage_is_told_with_the_way_to_help(quick: Quick, arguments: tuple[str, ...], words: str) -> None:
    done = quick(*arguments)
    assert (done.code, done.out) == (2, "")
    assert words in done.err
    assert "--help" in done.err
    assert "Traceback" not in done.err


@pytest.mark.browser
class TestASite:
    def test_that_fails_is_told_with_its_code(self, quick: Quick, nearby: Nearby) -> None:
        twin = nearby(ChatgptFreeTwin())
        assert quick("ask", "hello").code == 0
        for switches, code, words in (
            ({"quota": True}, 4, "quota"),
            ({"garbage": True}, 1, "a page where application/json"),
            ({"backend_failure": True}, 5, "the site's own AI backend failed"),
            ({"down": True}, 5, "HTTP 503"),
        ):
            twin.switch(reset=True, **switches)
            settings = IMPATIENT if switches == {"down": True} else None
            says(quick("ask", PROMPT, settings=settings), code, "chatgptfree: ", words)
        twin.switch(reset=True, stream=True, cut=True)
        cut = quick("ask", "one two three four five six seven eight")
        assert cut.code == 1
        assert cut.out.endswith("\n")
        assert "chatgptfree" in cut.out
        assert "broke off" in cut.err
        assert "Traceback" not in cut.err

    def test_whose_page_holds_no_tokens_is_told(self, quick: Quick, nearby: Nearby) -> None:
        nearby(ChatgptFreeTwin()).switch(html_instead_of_page_tokens=True)
        done = quick("visit", "chatgptfree", settings=SHORT)
        says(done, 1, "the page holds no nonce", "sought:", "sites.chatgptfree.url")

    async def test_that_is_away_is_told(self, doorkey: Doorkey) -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
            settings = {"DOORKEY_SITES__CHATGPTFREE__URL": url, **IMPATIENT}
            says(
                await doorkey("ask", PROMPT, settings=settings), 5, "chatgptfree: ", "can't be reached", "Try again in"
            )


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
async def test_output_that_cannot_be_written_is_told(doorkey: Doorkey) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        done = await doorkey.end(await doorkey.start("config", "check", stdout=full))
    finally:
        os.close(full)
    says(done, 2, "the output can't be written: No space left")
