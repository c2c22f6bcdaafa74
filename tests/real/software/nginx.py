"""nginx out of Debian's packages before a site: with limits on requests, or with ModSecurity and the Core Rule Set."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from string import Template

from software.packages import Packages, Unavailable
from software.process import free_port, server

OURS = Path(__file__).parents[1] / "gates"
RUNTIME = ("nginx-light", "libnginx-mod-http-modsecurity")
DATA = ("modsecurity-crs",)


@contextmanager
def limited(packages: Packages, folder: Path, behind: str) -> Iterator[str]:
    """The URL under which nginx limits the site *behind* ("host:port"): see gates/limited.conf. Raises Unavailable."""
    with _nginx(packages.debian("nginx", RUNTIME, DATA), folder, "limited.conf", behind) as url:
        yield url


@contextmanager
def core_rules(packages: Packages, folder: Path, behind: str) -> Iterator[str]:
    """The URL under which the Core Rule Set filters what goes to the site *behind*. Raises Unavailable."""
    root = packages.debian("nginx", RUNTIME, DATA)
    folder.mkdir()
    (folder / "modsecurity.conf").write_text(_rules(root, folder))
    module = root / "usr/lib/nginx/modules/ngx_http_modsecurity_module.so"
    with _nginx(root, folder, "crs.conf", behind, module=str(module)) as url:
        yield url


@contextmanager
def _nginx(root: Path, folder: Path, template: str, behind: str, **values: str) -> Iterator[str]:
    folder.mkdir(exist_ok=True)
    port = free_port()
    text = Template((OURS / template).read_text()).safe_substitute(values, port=port, behind=behind)
    (folder / "nginx.conf").write_text(text)
    libraries = os.pathsep.join(str(path) for path in root.glob("usr/lib/*-linux-*"))
    run = [f"{root}/usr/sbin/nginx", "-p", str(folder), "-c", "nginx.conf", "-e", "stderr"]
    with server(run, port, folder, {"LD_LIBRARY_PATH": libraries}):
        yield f"http://127.0.0.1:{port}"


def _rules(root: Path, folder: Path) -> str:
    """The configuration as Debian ships it, with its rules at work, and at home in *root* and *folder*."""
    shipped = root / "etc/nginx/modsecurity.conf"
    rules = root / "usr/share/modsecurity-crs/rules"
    if not shipped.exists() or not rules.exists():
        raise Unavailable(f"Debian's modsecurity-crs is not as expected: no {shipped} or {rules}")
    # SecStatusEngine would ask a server of the makers'.
    set_here = {
        "SecRuleEngine": "On",
        "SecAuditEngine": "Off",
        "SecStatusEngine": "Off",
        "SecTmpDir": str(folder),
        "SecDataDir": str(folder),
        "SecUnicodeMapFile": "",
    }
    text = re.sub(rf"(?m)^({'|'.join(set_here)})\b.*$", "", shipped.read_text())
    lines = [f"{name} {value}" for name, value in set_here.items() if value]
    lines += [f"Include {root}/etc/modsecurity/crs/crs-setup.conf", f"Include {rules}/*.conf"]
    return "\n".join([text, *lines]) + "\n"
