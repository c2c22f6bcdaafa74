"""MariaDB out of Debian's packages, for one WordPress: its data in a folder, a socket there, one account."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from software.process import free_port, server


@dataclass(frozen=True, slots=True)
class Database:
    socket: Path
    password: str = field(repr=False)


@contextmanager
def mariadb(root: Path, folder: Path) -> Iterator[Database]:
    """A running server with the empty database `wordpress`, whose account has that name, too."""
    database = Database(folder / "mariadb.sock", secrets.token_hex(16))
    data, port = folder / "mariadb", free_port()
    libraries = os.pathsep.join(str(path) for path in root.glob("usr/lib/*-linux-*"))
    environment = {"LD_LIBRARY_PATH": libraries, "PATH": f"{root}/usr/bin:{os.environ['PATH']}"}
    # Root's own server has to be told that root is meant.
    user = ["--user=root"] if os.geteuid() == 0 else []
    install = [f"{root}/usr/bin/mariadb-install-db", "--no-defaults", *user, f"--basedir={root}/usr"]
    install += [f"--datadir={data}", "--skip-test-db", "--auth-root-authentication-method=socket"]
    done = subprocess.run(install, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise RuntimeError(f"mariadb-install-db ended with {done.returncode}:\n{done.stdout[-1000:]}{done.stderr}")
    first = folder / "first.sql"
    first.touch(0o600)
    first.write_text(
        "CREATE DATABASE wordpress CHARACTER SET utf8mb4;\n"
        f"CREATE USER wordpress@localhost IDENTIFIED BY '{database.password}';\n"
        "GRANT ALL ON wordpress.* TO wordpress@localhost;\n"
    )
    run = [f"{root}/usr/sbin/mariadbd", "--no-defaults", *user, f"--basedir={root}/usr", f"--datadir={data}"]
    # The port says when the server is up; WordPress goes by the socket.
    run += [f"--socket={database.socket}", "--bind-address=127.0.0.1", f"--port={port}", f"--init-file={first}"]
    # Data that nobody needs tomorrow need not reach the disk.
    run += [f"--pid-file={folder}/mariadb.pid", "--skip-name-resolve", "--innodb-flush-log-at-trx-commit=0"]
    with server(run, port, folder, environment):
        yield database
