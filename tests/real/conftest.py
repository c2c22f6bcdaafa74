"""The applications: fetched once into a cache, each started once for its tests, its data in a temporary folder."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import platformdirs
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from software.application import Application, Group
from software.django_admin import django_admin
from software.dokuwiki import dokuwiki
from software.flask_once import flask_once
from software.gated import Gated, gated
from software.jupyter import jupyter
from software.mediawiki import mediawiki
from software.packages import Packages, Unavailable
from software.wordpress import WordPress
from software.wordpress import wordpress as running_wordpress
from software.wordpress_rest import wordpress_rest

GROUPS: dict[str, Group] = {
    "mediawiki": mediawiki,
    "dokuwiki": dokuwiki,
    "django": django_admin,
    "flask": flask_once,
    "jupyter": jupyter,
    "wordpress": wordpress_rest,
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "application" in metafunc.fixturenames:
        left_out = getattr(metafunc.module, "LEFT_OUT", ())
        each = [pytest.param(name, marks=pytest.mark.real(name)) for name in GROUPS if name not in left_out]
        metafunc.parametrize("application", each, indirect=True, scope="module")


@pytest.fixture(scope="session")
def packages(pytestconfig: pytest.Config) -> Packages:
    terminal = pytestconfig.pluginmanager.getplugin("terminalreporter")

    def say(line: str) -> None:
        if terminal is not None:
            terminal.write_line(f"test-real: {line}")

    return Packages(platformdirs.user_cache_path("doorkey") / "test-real", say)


@pytest.fixture(scope="module")
def application(
    request: pytest.FixtureRequest, packages: Packages, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Application]:
    folder = tmp_path_factory.mktemp(request.param)
    try:
        with GROUPS[request.param](packages, folder) as running:
            yield running
    except Unavailable as unavailable:
        pytest.skip(f"{request.param} can't be had here: {unavailable}")


@pytest.fixture(scope="module")
def started_wordpress(packages: Packages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WordPress]:
    try:
        with running_wordpress(packages, tmp_path_factory.mktemp("wordpress")) as running:
            yield running
    except Unavailable as unavailable:
        pytest.skip(f"wordpress can't be had here: {unavailable}")


@pytest.fixture
def wordpress(started_wordpress: WordPress) -> WordPress:
    """A WordPress as it is at first: what earlier tests switched and sent is forgotten."""
    started_wordpress.reset()
    return started_wordpress


@pytest.fixture
def start(packages: Packages, tmp_path: Path) -> Iterator[Callable[..., Gated]]:
    """Starts a site behind a gate, as `gated` does; it ends with the test."""
    with ExitStack() as running:

        def started(gate: str, **switches: object) -> Gated:
            try:
                return running.enter_context(gated(packages, tmp_path / f"behind-{gate}", gate, **switches))
            except Unavailable as unavailable:
                pytest.skip(f"{gate} can't be had here: {unavailable}")

        yield started
