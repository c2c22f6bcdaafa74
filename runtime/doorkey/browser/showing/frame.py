"""The frame of doorkey's own bars in a page: an element that the page's scripts can't look into."""

from __future__ import annotations

HOST = "doorkey-bar"
"""The name of the element that holds a bar."""

FRAME = r"""(name) => {
  const host = document.createElement(name);
  const set = (one, styles) => { for (const key in styles) one.style.setProperty(key, styles[key], "important"); };
  set(host, { all: "initial", position: "fixed", bottom: "16px", right: "16px", "z-index": "2147483647" });
  const root = host.attachShadow({ mode: "closed" });
  const box = document.createElement("div");
  set(box, { display: "flex", gap: "12px", "align-items": "center", padding: "10px 14px", "border-radius": "8px",
    background: "#1d2733", color: "#fff", font: "14px/1.4 system-ui, sans-serif", "max-width": "560px",
    "box-shadow": "0 2px 12px rgba(0,0,0,.4)" });
  root.append(box);
  for (const kind of ["pointerdown", "mousedown", "mouseup", "keydown", "keyup", "click"])
    root.addEventListener(kind, (event) => event.stopPropagation());
  const attach = () => {
    if (document.documentElement && host.parentNode !== document.documentElement) document.documentElement.append(host);
  };
  return { host, root, box, set, attach };
}"""
"""A function, for an isolated world, that returns an element for a bar, its closed shadow root, its box, a setter of
styles that no style sheet of the page overrides, and what puts it back where the page has removed it."""
