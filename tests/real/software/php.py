"""PHP out of Debian's packages, and its built-in server."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from software.packages import Packages, Unavailable
from software.process import server

RUNTIME = ("php-cli", "php-sqlite3", "php-mbstring", "php-xml", "php-intl")
# In the order of their needs.
EXTENSIONS = (
    "pdo", "pdo_sqlite", "sqlite3", "mbstring", "xml", "dom", "simplexml", "xmlreader", "xmlwriter", "intl", "ctype",
    "iconv", "fileinfo", "tokenizer", "posix",
)  # fmt: skip


class Php:
    """The interpreter with settings of its own, in *folder*, whatever the system's are."""

    def __init__(self, packages: Packages, folder: Path, settings: Sequence[str] = ()) -> None:
        root = packages.debian("php", RUNTIME, ())
        found = sorted(root.glob("usr/bin/php[0-9]*.[0-9]*"))
        places = sorted(root.glob("usr/lib/php/20*"))
        if not found or not places:
            raise Unavailable("Debian's php packages are not as expected: no usr/bin/phpN.N, or no extensions")
        lines = [f"extension_dir={places[-1]}", f"session.save_path={folder}", "memory_limit=512M", "display_errors=0"]
        if (places[-1] / "opcache.so").exists():
            lines.append("zend_extension=opcache.so")
        lines += [f"extension={name}.so" for name in EXTENSIONS if (places[-1] / f"{name}.so").exists()]
        (folder / "php.ini").write_text("\n".join([*lines, *settings]) + "\n")
        self._program, self._folder = str(found[-1]), folder
        libraries = os.pathsep.join(str(path) for path in root.glob("usr/lib/*-linux-*"))
        self.environment = {"PHPRC": str(folder), "PHP_INI_SCAN_DIR": "", "LD_LIBRARY_PATH": libraries}

    def run(self, *arguments: str) -> None:
        """Run a script to its end. Raises RuntimeError with what it said."""
        done = subprocess.run(
            [self._program, *arguments],
            cwd=self._folder,
            env={"PATH": os.environ["PATH"], **self.environment},
            capture_output=True,
            text=True,
            timeout=120,
        )
        if done.returncode:
            raise RuntimeError(f"php {arguments[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")

    @contextmanager
    def serving(self, root: Path, port: int, environment: Mapping[str, str] | None = None) -> Iterator[None]:
        """Serve the scripts of *root* with four workers."""
        more = {**self.environment, "PHP_CLI_SERVER_WORKERS": "4", **(environment or {})}
        with server([self._program, "-S", f"127.0.0.1:{port}", "-t", str(root)], port, self._folder, more):
            yield
