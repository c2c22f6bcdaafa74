"""The script of the bar that is shown on each page, and of what is told of the page. It runs in an isolated world.

The page's own scripts see neither the script nor its binding. The bar lies in a closed shadow root. Styles are set by
properties, and texts without markup, so that a page's Content-Security-Policy does not stop them.
"""

from __future__ import annotations

import json
from typing import Literal, TypeAlias

Stage: TypeAlias = Literal["login", "use"]
BINDING = "doorkeyTold"
HOST = "doorkey-bar"
"""The name of the element that holds the bar."""
TEXTS = {
    "login": ("1. Log in. What you type is used to try the result; it is never written down.", "I am logged in"),
    "use": ("2. Now do once what your programs shall do.", "Done"),
}


def make_script(stage: Stage) -> str:
    """Return the script for a page that opens at this *stage*."""
    return f"({SCRIPT})({json.dumps(stage)}, {json.dumps(TEXTS)}, {json.dumps(HOST)}, {json.dumps(BINDING)})"


SCRIPT = r"""(stage, texts, name, binding) => {
  if (globalThis.doorkeyBar) return;
  globalThis.doorkeyBar = true;
  const MOST = 3000000, SNAPSHOTS = 60;
  const tell = (what) => { try { globalThis[binding](JSON.stringify(what)); } catch { /* the page is going away */ } };
  const inTop = window === window.top;
  const host = inTop ? document.createElement(name) : null;

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
    const html = document.documentElement.outerHTML.replace(host.outerHTML, "");
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
  const set = (one, styles) => { for (const key in styles) one.style.setProperty(key, styles[key], "important"); };
  set(host, { all: "initial", position: "fixed", bottom: "16px", right: "16px", "z-index": "2147483647" });
  const root = host.attachShadow({ mode: "closed" });
  const box = document.createElement("div"), text = document.createElement("span");
  const button = document.createElement("button");
  set(box, { display: "flex", gap: "12px", "align-items": "center", padding: "10px 14px", "border-radius": "8px",
    background: "#1d2733", color: "#fff", font: "14px/1.4 system-ui, sans-serif", "max-width": "560px",
    "box-shadow": "0 2px 12px rgba(0,0,0,.4)" });
  set(button, { font: "inherit", padding: "6px 14px", border: "0", "border-radius": "6px", background: "#ffd54a",
    color: "#1d2733", cursor: "pointer", "white-space": "nowrap" });
  const draw = () => { text.textContent = texts[stage][0]; button.textContent = texts[stage][1]; };
  draw();
  box.append(text, button);
  root.append(box);
  for (const kind of ["pointerdown", "mousedown", "mouseup", "keydown", "keyup", "click"])
    root.addEventListener(kind, (event) => event.stopPropagation());
  button.addEventListener("click", (event) => {
    if (!event.isTrusted) return;
    flush();
    snap();
    tell({ kind: "stage", stage });
    if (stage === "login") { stage = "use"; draw(); }
  });
  const attach = () => {
    if (document.documentElement && host.parentNode !== document.documentElement) document.documentElement.append(host);
  };
  const begin = () => {
    attach();
    new MutationObserver(() => { attach(); later(); }).observe(document, {
      childList: true, subtree: true, attributes: true, attributeFilter: ["value", "content"] });
    snap();
  };
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", begin); else begin();
  addEventListener("load", later);
}"""
