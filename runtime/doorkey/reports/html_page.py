"""Renders a report as one HTML page that loads nothing from outside."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from html import escape

from doorkey.reports.report import Note, Report
from doorkey.reports.text import describe_end, format_report

STYLE = """
:root { color-scheme: light dark; --back: #f6f7f9; --card: #fff; --text: #1a1d21; --soft: #5c6470; --line: #dfe3e8;
  --bad: #b3261e; --bad-back: #fdecea; --good: #1b6e3c; --warn: #8a5200; --accent: #0b57d0; }
@media (prefers-color-scheme: dark) { :root { --back: #14171a; --card: #1d2125; --text: #e6e8eb; --soft: #a3abb5;
  --line: #343a41; --bad: #ff9a90; --bad-back: #3a1f1d; --good: #7bd69a; --warn: #ffc266; --accent: #9cc2ff; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 24px 16px 64px; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 4px; }
h2 { font-size: 1.05rem; margin: 0 0 10px; }
p { margin: 0 0 8px; }
.meta { color: var(--soft); margin-bottom: 20px; overflow-wrap: anywhere; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 16px 18px;
  margin-bottom: 16px; }
.cause { border-left: 4px solid var(--bad); padding: 2px 0 2px 14px; margin-bottom: 14px; }
.cause ~ .cause { border-color: var(--warn); }
.cause:last-child { margin-bottom: 0; }
.cause .what { font-weight: 600; }
.cause dl, .pairs { display: grid; grid-template-columns: max-content 1fr; gap: 2px 12px; margin: 6px 0 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; min-width: 0; }
.kind { display: inline-block; font-size: .78rem; font-weight: 600; padding: 0 8px; border-radius: 9px;
  background: var(--bad-back); color: var(--bad); margin-bottom: 2px; }
code { font: 13px/1.45 ui-monospace, monospace; overflow-wrap: anywhere; }
pre { font: 13px/1.45 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; }
.warning { color: var(--bad); font-weight: 600; }
.error { white-space: pre-wrap; overflow-wrap: anywhere; }
img { display: block; max-width: 100%; max-height: 520px; height: auto; border: 1px solid var(--line);
  border-radius: 6px; }
figcaption, .hint { color: var(--soft); font-size: .87rem; margin-top: 8px; }
figure { margin: 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; color: var(--soft); font-weight: 500; font-size: .87rem; }
th, td { padding: 4px 12px 4px 0; vertical-align: top; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
tr:last-child td { border-bottom: 0; }
td.time { width: 1%; white-space: nowrap; color: var(--soft); font-variant-numeric: tabular-nums; }
td.stage { width: 1%; white-space: nowrap; color: var(--soft); }
.yes { color: var(--good); white-space: nowrap; }
.no { color: var(--bad); white-space: nowrap; font-weight: 600; }
ul { margin: 0; padding-left: 18px; overflow-wrap: anywhere; }
.pairs + details { margin-top: 12px; }
details summary { cursor: pointer; font-weight: 600; }
details > :not(summary) { margin-top: 10px; }
button { font: inherit; color: var(--accent); background: none; border: 1px solid var(--line); border-radius: 8px;
  padding: 4px 14px; cursor: pointer; }
button:focus-visible, summary:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
@media (max-width: 620px) { td, th { display: block; border: 0; padding: 0; } th { display: none; }
  tr { display: block; padding: 6px 0; border-bottom: 1px solid var(--line); }
  td.time { float: left; width: auto; margin-right: 8px; }
  td[data-name]::before { content: attr(data-name) ": "; color: var(--soft); font-size: .87rem; }
  .cause dl, .pairs { grid-template-columns: 1fr; } }
"""
SCRIPT = """
const button = document.querySelector("button");
button.hidden = false;
button.addEventListener("click", async () => {
  const text = document.querySelector("pre");
  document.querySelector("details.text").open = true;
  getSelection().selectAllChildren(text);
  try { await navigator.clipboard.writeText(text.textContent); button.textContent = "Copied"; }
  catch { document.execCommand("copy"); button.textContent = "Selected: press Ctrl-C"; }
});
"""


def render(report: Report, picture: bytes = b"") -> str:
    """Return the page. *picture* is a JPEG."""
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(STYLE)}'; script-src '{_hash(SCRIPT)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    title = f"{report.site}: {report.causes[0].kind if report.causes else 'as it should be'}"
    return "".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="referrer" content="no-referrer"><meta name="robots" content="noindex">',
            f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>",
            *_list_parts(report, picture),
            f"</main><script>{SCRIPT}</script></body></html>",
        )
    )


def describe_time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _list_parts(report: Report, picture: bytes) -> Iterator[str]:
    yield f"<h1>{escape(describe_end(report).capitalize())}</h1>"
    parts = [describe_time(report.at), f"{report.took:.1f} s", report.code, f"report {report.id}"]
    parts += [f"request {request}" for request in report.calls] + [f"doorkey {report.version}"]
    yield f'<p class="meta">{escape(" · ".join(part for part in parts if part))}</p>'
    yield from _causes(report)
    if picture:
        encoded = base64.b64encode(picture).decode()
        alt = escape(f"The page of {report.site} when the visit ended")
        hint = "Fields that are filled in and texts that look like secrets are covered. "
        hint += "Red: the element that the step needs. Orange: what covers the page."
        body = f'<figure><img alt="{alt}" src="data:image/jpeg;base64,{encoded}">'
        yield _section("The page at the end of the visit", f"{body}<figcaption>{hint}</figcaption></figure>")
    if report.page or report.lines:
        yield _section("What the page says", _page(report))
    if report.rules:
        rows = (
            (
                f"<code>{escape(rule.name)}</code>",
                f"<code>{escape(rule.sought)}</code>",
                _mark(rule.found),
                escape(rule.instead),
            )
            for rule in report.rules
        )
        table = _table(("name", "rule", "", "what is there in its place"), rows)
        hint = f"To try a selector on this page: <code>doorkey reports try {escape(report.id)} 'SELECTOR'</code>"
        yield _section("What was sought", f'{table}<p class="hint">{hint}</p>')
    if report.differences:
        changes = ((escape(one.what), escape(one.before), escape(one.now)) for one in report.differences)
        hint = f'<p class="hint">The last visit that worked was at {describe_time(report.worked)}.</p>'
        yield _section("What has changed since it worked", _table(("", "then", "now"), changes) + hint)
    elif report.worked:
        when = describe_time(report.worked)
        text = f"<p>Nothing that the rules depend on. The last visit that worked was at {when}.</p>"
        yield _section("What has changed since it worked", text)
    if report.timeline:
        moments = ((f"{one.after:.2f} s", escape(one.stage), escape(one.text)) for one in report.timeline)
        yield _section("Timeline", _table(("", "", ""), moments, ("time", "stage", "")))
    yield from _lists(report)
    if report.recordings:
        yield _section("Playwright's recordings", _recordings(report))
    copied = escape(format_report(report))
    yield _section(
        "Copy for an issue",
        f'<p>A text without secrets. Read it before you send it: it names your site. <button type="button" hidden>Copy'
        f'</button></p><details class="text"><summary>Show the text</summary><pre>{copied}</pre></details>',
    )


def _causes(report: Report) -> Iterator[str]:
    if report.kind == "window":
        return
    if not report.code:
        yield _section("What was found", "<p>The visit brought all that it had to bring.</p>")
        return
    shown = []
    for cause in report.causes:
        place = f"<dt>where</dt><dd><code>{escape(cause.place)}</code></dd>" if cause.place else ""
        change = f"<dt>what to do</dt><dd>{escape(cause.change)}</dd>" if cause.change else ""
        pairs = f"<dl>{place}{change}</dl>" if place or change else ""
        kind = f'<span class="kind">{escape(cause.kind)}</span>'
        shown.append(f'<div class="cause">{kind}<p class="what">{escape(cause.what)}</p>{pairs}</div>')
    yield _section(
        "What probably broke" if len(shown) == 1 else "What probably broke, the likeliest first", "".join(shown)
    )
    yield _section("The error", f'<p class="error">{escape(report.message)}</p>')


def _page(report: Report) -> str:
    pairs = [
        ("address", report.page),
        ("status", f"HTTP {report.status}" if report.status else ""),
        ("title", report.title),
    ]
    listed = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in pairs if value)
    lines = "".join(f"<li>{escape(line)}</li>" for line in report.lines)
    text = f"<details{' open' if len(report.lines) <= 8 else ''}><summary>Its text</summary><ul>{lines}</ul></details>"
    return f'<dl class="pairs">{listed}</dl>{text if lines else ""}'


def _lists(report: Report) -> Iterator[str]:
    if report.troubles:
        yield _section("Errors and failed requests", _notes(report.troubles))
    if report.redirects:
        yield _section("Redirects", _notes(report.redirects))
    if report.shown:
        yield _section(
            "Elements", f"<details open><summary>What the page shows</summary>{_notes(report.shown)}</details>"
        )
    if report.places:
        text = "Names only: where a value may be read from, and how long it is."
        body = f'<summary>{len(report.places)} places</summary><p class="hint">{text}</p>{_notes(report.places)}'
        yield _section("Where the page keeps values", f"<details>{body}</details>")


def _recordings(report: Report) -> str:
    links = "".join(f'<li><a href="{escape(name)}"><code>{escape(name)}</code></a></li>' for name in report.recordings)
    warning = (
        "These files lie beside this page. They hold credentials: cookies, tokens, passwords that were filled in. They "
        "can't be cleaned of them, so never send them to anybody."
    )
    look = "To look at a trace, run: <code>python -m playwright show-trace FILE</code>"
    return f'<p class="warning">{warning}</p><ul>{links}</ul><p class="hint">{look}</p>'


def _notes(notes: Iterable[Note]) -> str:
    rows = ((escape(note.kind), f"<code>{escape(note.place)}</code>", escape(note.text)) for note in notes)
    return _table(("", "", ""), rows, ("stage", "", ""))


def _mark(found: bool) -> str:
    return '<span class="yes">found</span>' if found else '<span class="no">not found</span>'


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]], classes: tuple[str, ...] = ()) -> str:
    names = "".join(f"<th>{escape(name)}</th>" for name in header) if any(header) else ""
    kinds = [f' class="{name}"' if name else "" for name in (*classes, *[""] * len(header))]
    # On a narrow screen the header is hidden, and each cell names itself.
    kinds = [f'{kind} data-name="{escape(name)}"' if name else kind for kind, name in zip(kinds, header, strict=False)]
    body = "".join(f"<tr>{''.join(f'<td{kinds[at]}>{cell}</td>' for at, cell in enumerate(row))}</tr>" for row in rows)
    head = f"<thead><tr>{names}</tr></thead>" if names else ""
    return f'<div class="scroll"><table>{head}<tbody>{body}</tbody></table></div>'


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>"
