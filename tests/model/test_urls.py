"""A site's URL counts as browsers write it, however it was typed: its origin is compared with what pages say."""

from __future__ import annotations

import pytest

from doorkey.config.settings_schema import SiteSettings
from doorkey.model.overrides import CallerOverrides

WRITTEN = [
    ("https://MyBlog.example/Chat/", "https://myblog.example/Chat/"),
    ("HTTPS://myblog.example/chat/?A=%7E", "https://myblog.example/chat/?A=%7E"),
    ("https://myblog.example:443/chat/", "https://myblog.example/chat/"),
    ("http://myblog.example:80", "http://myblog.example"),
    ("http://myblog.example:443/", "http://myblog.example:443/"),
    ("https://Bücher.example:8443/ä", "https://xn--bcher-kva.example:8443/ä"),
    ("http://[::1]:80/", "http://[::1]/"),
    ("http://[2001:DB8::1]:8080/", "http://[2001:db8::1]:8080/"),
    ("http://H:80/http://h", "http://h/http://h"),
    ("http://127.0.0.1:8090/chat/", "http://127.0.0.1:8090/chat/"),
]


@pytest.mark.parametrize(("typed", "written"), WRITTEN)
def test_a_configured_url_is_written_as_browsers_do(typed: str, written: str) -> None:
    assert SiteSettings(url=typed).url == written


@pytest.mark.parametrize(("typed", "written"), WRITTEN)
def test_so_is_a_callers_own(typed: str, written: str) -> None:
    assert CallerOverrides(url=typed).url == written


@pytest.mark.parametrize("typed", ["nothing", "http://[none", "http://x:99999/", "ftp://X/"])
def test_a_callers_own_that_is_no_url_is_left_for_its_reader_to_tell(typed: str) -> None:
    assert CallerOverrides(url=typed).url == typed


def test_a_host_that_no_browser_could_open_is_refused() -> None:
    with pytest.raises(ValueError, match="host or port can't be read"):
        SiteSettings(url="https://bü..cher.example/")
