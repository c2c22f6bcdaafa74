"""The pages of the twins: a small working chat, and the script that makes the visitor's cookie."""

from __future__ import annotations

import html
import json
from functools import cache
from importlib.resources import files

ENTER_DELAY_MS = 100


def chat_page(
    *, title: str, gate: dict[str, str | int], ask: str, head: str = "", attributes: str = "", inside: str = ""
) -> str:
    """Return a page that makes its cookie and sends questions by *ask*, the body of `async (question, answer) => {…}`.

    *attributes* go on the chat's element, *inside* into it, *head* into the head; *gate* is what the script enters by.
    """
    told = json.dumps({**gate, "delay": ENTER_DELAY_MS})
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
{head}<style>
{_file("page.css")}</style></head>
<body><main>
<h1>{html.escape(title)}</h1>
<p class="note">A local copy for trying doorkey. Nothing leaves this machine; it only repeats what it heard.</p>
<section><div {attributes}>{inside}
<div id="said" aria-live="polite"></div>
<form id="ask"><input name="question" placeholder="Ask something" autocomplete="off" autofocus aria-label="Question">
<button name="send" disabled>Send</button></form>
</div></section>
<p id="state">Waiting for this page's script…</p>
</main>
<script>
const gate = {told};
const ask = async (question, answer) => {{{ask}}};
{_file("page.js")}
</script></body></html>
"""


def bare_page(title: str, text: str) -> str:
    """Return a page of the site without chat, token or script."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title></head>\n'
        f"<body><h1>{html.escape(title)}</h1><p>{html.escape(text)}</p></body></html>\n"
    )


def forbidden() -> str:
    """Return a web server's plain 403, which names neither a reason nor a protection."""
    return (
        "<html>\r\n<head><title>403 Forbidden</title></head>\r\n<body>\r\n"
        "<center><h1>403 Forbidden</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    )


def unavailable() -> str:
    """Return a load balancer's 503 without a backend. (That of nginx would be a rate limit.)"""
    return (
        "<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>\n"
    )


@cache
def _file(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")
