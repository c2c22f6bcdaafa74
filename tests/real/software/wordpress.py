"""WordPress out of Debian's packages, with a chat in the manner of AI Power that a test switches and counts."""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from doorkey_providers.twins.wpaicg_literals import Row
from software.application import PASSWORD, USER
from software.packages import Packages, Unavailable
from software.php import Php
from software.process import free_port
from software.wordpress_cache import page_cache
from software.wordpress_database import Database, mariadb

OURS = Path(__file__).parents[1] / "wordpress"
RUNTIME = ("php-mysql", "mariadb-server-core", "mariadb-client-core", "nginx-light")
# What WordPress' files lead to comes along; a web server and a mail program of the system's do not.
DATA = ("wordpress", "wordpress-theme-twentytwentyone", "libjs-cropper", "libjs-underscore", "php-getid3")
CHAT_NONCE = {"1": "wpaicg-chatbox", "2": "aipkit_frontend_chat_nonce"}
DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """How the site behaves.

    `answer`: {name, step, status, type, body}: what a question that WordPress lets in gets, to the byte. `gone`: the
    plugin is not active. `guarded`: another plugin asks for a nonce of its own. `german`: WordPress' own refusals are
    in that language. `dies_between`: every nonce dies, once, between the two steps of a question to 2.x.
    `nonce_life` is in seconds.
    """

    generation: str = "1.9"
    stream: bool = False
    bots: Sequence[str] = ("0",)
    widget: bool = False
    popup: bool = False
    nonce_life: int = DAY
    gone: bool = False
    guarded: bool = False
    german: bool = False
    dies_between: bool = False
    answer: Mapping[str, Any] | None = None


@dataclass(slots=True)
class WordPress:
    """`host` is "host:port" of the site itself. Each test begins with `reset`."""

    host: str
    root: Path
    folder: Path
    php: Php
    switches: Switches = field(default_factory=Switches)
    caches: int = 0

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def switch(self, **changes: Any) -> None:
        """Behave so from the next request on."""
        self.switches = replace(self.switches, **changes)
        told = {name: getattr(self.switches, name) for name in Switches.__dataclass_fields__}
        written = self.folder / "switches.json.new"
        written.write_text(json.dumps(told))
        written.replace(self.folder / "switches.json")

    def plugin(self, generation: str, mode: str, bots: Sequence[str] = ()) -> None:
        """Have this generation answer in *mode* ("json" or "stream"). Bot 0 is of 1.x alone."""
        usual = ("4",) if generation.startswith("2") else ("0",)
        self.switch(generation=generation, stream=mode == "stream", bots=bots or usual)

    def say(self, row: Row) -> None:
        """Answer a question that WordPress itself has nothing against with these bytes, at the step they belong to."""
        told = {"name": row.name, "step": row.step, "status": row.status, "type": row.content_type}
        self.switch(answer={**told, "body": base64.b64encode(row.body).decode()})

    def reset(self) -> None:
        (self.folder / "arrived.jsonl").write_text("")
        (self.folder / "died-between").unlink(missing_ok=True)
        self.switches = Switches()
        self.switch()

    def kill_nonces(self) -> None:
        """End every nonce that is out, by another `nonce_life`: its ticks have other numbers."""
        self.switch(nonce_life=DAY // 2 if self.switches.nonce_life == DAY else DAY)

    def kill_sessions(self) -> None:
        """End the member's sessions, as an administrator would."""
        self.run("logout.php")

    def await_death(self, nonce: str, limit: float) -> None:
        """Return once WordPress, asked again and again, takes *nonce* no more. Raises RuntimeError past *limit*."""
        action = CHAT_NONCE[self.switches.generation[0]]
        self.run("dead.php", action, nonce, str(limit))

    def nonce(self) -> str:
        """What the page would hold for a guest now."""
        chat = {"action": CHAT_NONCE[self.switches.generation[0]], "nonce_life": self.switches.nonce_life}
        return str(self.nonces([{**chat, "uid": 0, "session_token": ""}])[0]["nonce"])

    def nonces(self, wanted: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """What WordPress makes now of each {action, uid, session_token, nonce_life}; with `salt`, `time`, `nonce`."""
        made = self.folder / "nonces.json"
        self.run("nonces.php", str(made), json.dumps(wanted))
        return list(json.loads(made.read_text()))

    def run(self, script: str, *arguments: str) -> None:
        """Run one of our scripts inside WordPress. Raises RuntimeError with what it said."""
        self.php.run(str(OURS / script), str(self.folder / "site"), self.host, *arguments)

    def arrived(self) -> list[dict[str, Any]]:
        """Each question as it came: refused (why, or ""), method, fields, names of cookies, uid."""
        return [json.loads(line) for line in (self.folder / "arrived.jsonl").read_text().splitlines()]

    def cached(self, *, knows_queries: bool = True) -> AbstractContextManager[str]:
        """The site's URL behind an empty page cache."""
        self.caches += 1
        folder = self.folder / f"cache{self.caches}"
        return page_cache(self.root, folder, self.host, knows_queries=knows_queries)


@contextmanager
def wordpress(packages: Packages, folder: Path) -> Iterator[WordPress]:
    """A site with the page /chat/ and one member. Raises Unavailable."""
    root = packages.debian("wordpress", RUNTIME, DATA)
    extensions = [next(root.glob(f"usr/lib/php/20*/{name}.so"), None) for name in ("mysqlnd", "mysqli")]
    if None in extensions:
        raise Unavailable("Debian's php-mysql is not as expected: no mysqlnd.so or mysqli.so")
    settings = [f"extension={path}" for path in extensions]
    php = Php(packages, folder, [*settings, "output_buffering=0", "post_max_size=64M"])
    made = WordPress(f"127.0.0.1:{free_port()}", root, folder, php)
    made.reset()
    with mariadb(root, folder) as database:
        _install(made, database)
        with php.serving(folder / "site", int(made.host.rpartition(":")[2])):
            yield made


def _install(made: WordPress, database: Database) -> None:
    site, settings = made.folder / "site", made.folder / "settings.json"
    shutil.copytree(made.root / "usr/share/wordpress", site, ignore=_left_out)
    shutil.copy(OURS / "wp-config.php", site)
    plugins = site / "wp-content/mu-plugins"
    shutil.copytree(OURS / "doorkey-chat", plugins / "doorkey-chat")
    shutil.copy(OURS / "doorkey-chat.php", plugins)
    settings.touch(0o600)
    settings.write_text(json.dumps({"socket": os.fspath(database.socket), "password": database.password}))
    # Two processes: plugins are not loaded while tables are made.
    made.run("install.php", USER, PASSWORD)
    made.run("page.php")


def _left_out(folder: str, names: list[str]) -> list[str]:
    # .htaccess leads out of the package; certificates of the system are of no use on loopback.
    return [name for name in names if name in (".htaccess", "wp-config.php", "certificates", "akismet")]
