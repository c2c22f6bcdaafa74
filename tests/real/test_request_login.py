"""A login by request at a real application: Django's admin, with its CSRF token in the form and in a cookie."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from doorkey import Request, Runtime, Settings

sys.path.insert(0, str(Path(__file__).parent))
from software.application import Application
from software.django_admin import django_admin
from software.packages import Packages

pytestmark = pytest.mark.real("django")

LOGIN = {
    "path": "/admin/login/?next=/admin/",
    "tokens": {"once": "input[name=csrfmiddlewaretoken]@value"},
    "form": {"username": "env:ADMIN_USER", "password": "env:ADMIN_PASSWORD", "csrfmiddlewaretoken": "{once}"},
}


@pytest.fixture(scope="module")
def django(packages: Packages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    with django_admin(packages, tmp_path_factory.mktemp("django")) as running:
        yield running


async def test_dead_sessions_of_django_are_renewed_by_one_login_and_no_browser(
    django: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in django.environment.items():
        monkeypatch.setenv(name, value)
    site = {
        "provider": "web",
        "url": django.url,
        "ready": "#logout-form, a[href$='/logout/']",
        "tokens": {"csrf": "cookie:csrftoken"},
        "send": {"header": {"X-CSRFToken": "{csrf}"}},
        "cookies": {"needed": ["sessionid", "csrftoken"]},
        "stale": ["redirect:/admin/login", "403 body:CSRF"],
        "login": {"request": LOGIN},
        "manners": {"at_once": 10, "rate": 1000, "queue": 100},
    }
    settings = {"sites": {"admin": site}, "store": {"url": "memory://"}, "browser": {"executable": "/nowhere"}}
    async with Runtime(Settings.model_validate(settings)) as runtime:

        async def write(number: int) -> bool:
            made = django.write(f"note {number}")
            request = Request(url=made.path, method=made.method, form=made.form, json=made.json)
            async with await runtime.send("admin", request) as answer:
                return made.accepted(answer.head.status, b"".join([piece async for piece in answer]))

        for death in range(2):
            assert all(await asyncio.gather(*(write(10 * death + number) for number in range(10))))
            await asyncio.to_thread(django.kill_sessions)
        assert await write(20)
        assert [(status.rung, status.visits) for status in runtime.status()] == [("login request", 3)]
