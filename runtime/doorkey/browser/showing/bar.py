"""The script of the bar that is shown on each page, and of what is told of the page. It runs in an isolated world.

The page's own scripts see neither the script nor its binding. The bar lies in a closed shadow root. Styles are set by
properties, and texts without markup, so that a page's Content-Security-Policy does not stop them.
"""

from __future__ import annotations

import json
from typing import Literal, TypeAlias

from doorkey.browser.showing.frame import FRAME, HOST

Stage: TypeAlias = Literal["login", "use", "done"]
BINDING = "doorkeyTold"
TEXTS = {
    "login": ("1. Log in. What you type is used to try the result; it is never written down.", "I am logged in"),
    "use": ("2. Now do once what your programs shall do.", "Done"),
}


def make_script(stage: Stage, *, shown: bool = True) -> str:
    """Return the script for a page that opens at this *stage*. Where it runs already, it tells what it holds still and
    goes on to that. Without *shown*, it draws no bar.
    """
    frame = FRAME if shown else "null"
    return f"({SCRIPT})({json.dumps(stage)}, {json.dumps(TEXTS)}, {json.dumps(HOST)}, {json.dumps(BINDING)}, {frame})"


SCRIPT = r"""(stage, texts, name, binding, frame) => {
  if (globalThis.doorkeyBar) { globalThis.doorkeyBar(stage); return; }
  let redraw = () => {};
  globalThis.doorkeyBar = (next) => {
    if (next !== stage && document.readyState !== "loading") { flush(); snap(); }
    stage = next;
    redraw();
  };
  const MOST = 3000000, SNAPSHOTS = 60;
  const tell = (what) => { try { globalThis[binding](JSON.stringify(what)); } catch { /* the page is going away */ } };
  const inTop = window === window.top;
  const bar = inTop && frame ? frame(name) : null;
  const host = bar?.host ?? null;

  const named = (one) => {
    if (one.id) return "#" + CSS.escape(one.id);
    const tag = one.localName;
    return one.name ? `${tag}[name=${JSON.stringify(one.name)}]` : tag;
  };
  const filled = new Map();
  const flush = () => {
    for (const [one, secret] of filled)
      tell({ kind: "fill", css: named(one), value: String(one.value ?? one.textContent ?? ""), secret });
    filled.clear();
  };
  const keep = (items) => {
    const kept = {};
    for (let at = 0; at < items.length; at++) kept[items.key(at)] = items.getItem(items.key(at));
    return kept;
  };
  const stored = () => {
    try { return { local: keep(localStorage), session: keep(sessionStorage) }; }
    catch { return { local: {}, session: {} }; }
  };
  let last = "", count = 0;
  const snap = () => {
    if (!inTop || count >= SNAPSHOTS || !document.documentElement) return;
    const whole = document.documentElement.outerHTML;
    const html = host ? whole.replace(host.outerHTML, "") : whole;
    const page = { kind: "page", url: location.href, stage, html: html.length > MOST ? "" : html, ...stored() };
    const text = JSON.stringify(page);
    if (text === last) return;
    last = text;
    count += 1;
    tell(page);
  };
  let timer = 0;
  const later = () => { clearTimeout(timer); timer = setTimeout(snap, 300); };

  const ours = (event) => host !== null && event.composedPath()[0] === host;
  addEventListener("input", (event) => {
    const one = event.composedPath()[0];
    if (ours(event) || !one || !("value" in one || one.isContentEditable)) return;
    if (["checkbox", "radio", "file", "submit"].includes(one.type)) return;
    const hints = `${one.autocomplete ?? ""}`;
    filled.set(one, one.type === "password" || filled.get(one) === true || /password|one-time-code/.test(hints));
  }, true);
  addEventListener("change", () => flush(), true);
  addEventListener("submit", () => { flush(); snap(); }, true);
  addEventListener("pagehide", () => flush(), true);
  addEventListener("keydown", (event) => { if (event.key === "Enter" && !ours(event)) { flush(); snap(); } }, true);
  addEventListener("click", (event) => {
    if (ours(event)) return;
    flush();
    snap();
    const one = event.composedPath()[0];
    if (one instanceof Element) tell({ kind: "click", css: named(one.closest("button, a, input") ?? one) });
  }, true);

  if (!inTop) return;
  const drawBar = () => {
    const { box, set } = bar, text = document.createElement("span");
    const button = document.createElement("button");
    set(button, { font: "inherit", padding: "6px 14px", border: "0", "border-radius": "6px", background: "#ffd54a",
      color: "#1d2733", cursor: "pointer", "white-space": "nowrap" });
    const draw = () => { text.textContent = texts[stage][0]; button.textContent = texts[stage][1]; };
    redraw = draw;
    draw();
    box.append(text, button);
    button.addEventListener("click", (event) => {
      if (!event.isTrusted) return;
      flush();
      snap();
      tell({ kind: "stage", stage });
      if (stage === "login") { stage = "use"; draw(); }
    });
  };
  if (bar) drawBar();
  const begin = () => {
    bar?.attach();
    new MutationObserver(() => { bar?.attach(); later(); }).observe(document, {
      childList: true, subtree: true, attributes: true, attributeFilter: ["value", "content"] });
    snap();
  };
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", begin); else begin();
  addEventListener("load", later);
}"""
