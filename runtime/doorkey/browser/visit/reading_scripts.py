"""The JavaScript functions that read a page. They run in the isolated world of `PageInspector`."""

from __future__ import annotations

import json
import re

STATE = """() => {
  // A form named "documentElement" hides the property of that name. The prototypes' getters can't be hidden.
  const get = (type, name, of) => Object.getOwnPropertyDescriptor(type.prototype, name).get.call(of);
  const root = get(Document, "documentElement", document);
  const shadows = [];
  const collect = (of) => {
    const all = of instanceof Document ? Document.prototype.querySelectorAll.call(of, "*") : of.querySelectorAll("*");
    for (const element of all) {
      const shadow = get(Element, "shadowRoot", element);
      if (shadow) { shadows.push(shadow); collect(shadow); }
    }
  };
  if (root) collect(document);
  const stored = (name) => {
    try {
      const storage = window[name], found = Object.create(null);
      for (let at = 0; at < storage.length; at++) {
        const key = storage.key(at), value = storage.getItem(key);
        // Half a surrogate pair is no text: no store could keep it.
        if (key.isWellFormed() && value.isWellFormed()) found[key] = value;
      }
      return found;
    } catch { return {}; }
  };
  let html = root ? get(Element, "outerHTML", root) : "";
  if (shadows.length) {
    const inside = Element.prototype.getHTML.call(root, { shadowRoots: shadows });
    const empty = Node.prototype.cloneNode.call(root, false).outerHTML;
    html = empty.slice(0, empty.lastIndexOf("</")) + inside + empty.slice(empty.lastIndexOf("</"));
  }
  // Chromium shows a text that is no page (JSON, a script) in an element of its own.
  const text = root && !/html|xml/.test(get(Document, "contentType", document)) && root.querySelector("body > pre");
  const type = get(Document, "doctype", document);
  html = text ? text.textContent : (type ? new XMLSerializer().serializeToString(type) : "") + html;
  return { html: html.toWellFormed(), local: stored("localStorage"), session: stored("sessionStorage") };
}"""
"""The document with its open shadow roots, as declarative templates, and both storages of its origin. Of a text that is
no page: the text itself, as plain HTTP gets it."""

LOCAL = """() => {
  const found = Object.create(null);
  try {
    for (let at = 0; at < localStorage.length; at++) {
      const key = localStorage.key(at), value = localStorage.getItem(key);
      if (key.isWellFormed() && value.isWellFormed()) found[key] = value;
    }
  } catch { return null; }
  return { origin: location.origin, local: found };
}"""
"""The local storage of the page's origin; null where it has none."""

INDEXED = """async (paths) => {
  // The page's own transactions and upgrades may hold a request up for ever.
  const late = new Promise((_, reject) => setTimeout(reject, 2000));
  const done = (request) => Promise.race([late, new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = request.onblocked = () => reject(request.error);
  })]);
  const plain = (_, value) => typeof value === "bigint" ? String(value) : value;
  const found = {};
  let known = [];
  try {
    known = (await Promise.race([late, indexedDB.databases()])).map((database) => database.name);
  } catch { return found; }
  for (const path of paths) {
    const [name, store, ...rest] = path.split("/");
    const key = rest.join("/");
    if (!known.includes(name)) continue;  // opening it would create it
    let database, opening;
    try {
      opening = indexedDB.open(name);
      database = await done(opening);
      if (!database.objectStoreNames.contains(store)) continue;
      const table = database.transaction(store, "readonly").objectStore(store);
      const keys = await done(table.getAllKeys(null, 1000));
      const wanted = keys.find((one) => String(one) === key) ?? (key === "*" ? keys[0] : undefined);
      if (wanted === undefined) continue;
      const again = database.transaction(store, "readonly").objectStore(store);
      const text = JSON.stringify(await done(again.get(wanted)), plain);
      if (text !== undefined) found[path] = JSON.parse(text.toWellFormed());
    } catch {
      // Locked, or nothing that JSON can express. What opens later must not stand in the page's way.
      if (opening && !database) opening.onsuccess = () => opening.result.close();
    } finally { database?.close(); }
  }
  return found;
}"""
"""Values of IndexedDB by "DATABASE/STORE/KEY". The key "*" means the first one."""

FACTS = """async ([selectors, ready, refused, reading]) => {
  const find = (css, root = document) => {
    const [host, ...inner] = css.split(" >>> ");
    if (root === document && !inner.length) return Document.prototype.querySelector.call(document, host);
    if (!inner.length) return root.querySelector(host);
    for (const element of Document.prototype.querySelectorAll.call(document, host)) {
      const found = element.shadowRoot && find(inner.join(" >>> "), element.shadowRoot);
      if (found) return found;
    }
    return null;
  };
  const shows = (css) => { try { return find(css) !== null; } catch { return false; } };
  const get = (type, name, of) => Object.getOwnPropertyDescriptor(type.prototype, name).get.call(of);
  const body = get(Document, "body", document), root = get(Document, "documentElement", document);
  // Of a document that is half there, what is missing may yet come.
  if (document.readyState === "loading")
    await new Promise((done) => { document.addEventListener("DOMContentLoaded", done); setTimeout(done, 2000); });
  const found = selectors.filter((css) => find(css) !== null);
  // Visible text needs a layout: it is read only where it could matter. What stands before a site has few links.
  const few = document.links.length <= 5;
  const shown = (found.length || refused || reading || few) && body ? body.innerText : "";
  const refresh = /^\\s*(\\d+)/.exec(find("meta[http-equiv=refresh i]")?.getAttribute("content") ?? "");
  let html = "", state = 0;
  if (found.length || refused || reading || (few && shown.length < 400)) {
    html = root ? get(Element, "outerHTML", root) : "";
    let whole = html;
    for (const element of Document.prototype.querySelectorAll.call(document, "*"))
      if (element.shadowRoot) whole += element.shadowRoot.innerHTML;
    for (let at = 0; at < whole.length; at++) state = (Math.imul(state, 31) + whole.charCodeAt(at)) | 0;
  }
  return {
    title: String(document.title).toWellFormed(), found, links: document.links.length,
    text: shown.slice(0, 2000).toWellFormed(), length: shown.length,
    born: performance.timeOrigin, state, scripts: document.scripts.length > 0,
    ready: ready ? shows(ready) : false,
    refresh: refresh ? Number(refresh[1]) : null, html: reading ? html.slice(0, 262144).toWellFormed() : "",
  };
}"""
"""What tells whether something stands before the site. " >>> " in a selector leads into an open shadow root."""

ASKS = """() => {
  const all = (css) => [...Document.prototype.querySelectorAll.call(document, css)];
  const shown = (css) => all(css).some((element) => element.checkVisibility());
  if (shown("input[autocomplete=one-time-code]")) return "a one-time code";
  if (shown("iframe[src*=captcha], [class*=captcha], .cf-turnstile")) return "a CAPTCHA";
  return shown("input[type=password]") ? "a password" : "";
}"""
"""What the page asks the visitor for, or an empty text."""

LINES = """() => {
  const body = Object.getOwnPropertyDescriptor(Document.prototype, "body").get.call(document);
  return body ? body.innerText.split("\\n").map((line) => line.trim()).filter(Boolean).slice(0, 400) : [];
}"""
"""The lines of text that the page shows."""

FIELDS = """() => {
  const all = [...Document.prototype.querySelectorAll.call(document, "input, select, textarea, button")];
  const name = (one) => one.id ? `#${one.id}` : one.getAttribute("name") ? `[name=${one.getAttribute("name")}]` : "";
  return all.filter((one) => one.type !== "hidden" && one.checkVisibility()).map(name).filter(Boolean).slice(0, 8);
}"""
"""Selectors of the fields and buttons that the page shows."""

READY_STATE = "() => document.readyState"

IDENTIFIER = re.compile(r"[A-Za-z_$][\w$]*")


def script_value(path: str) -> str:
    """Return the expression that reads *path* ("app.token") in the page's own world.

    It also finds what top-level `const` and `let` declare, which are no properties of the global object. The path is
    walked member by member and never evaluated as code, and no built-in of the page is used.
    """
    first, *rest = path.split(".")
    # A declared name that is no property of the global object is only reached by itself.
    root = f"(typeof {first} === 'undefined' ? undefined : {first})" if IDENTIFIER.fullmatch(first) else None
    if root is None or first in RESERVED:
        root, rest = "globalThis", [first, *rest]
    walk = "".join(f"v = v?.[{json.dumps(part)}];" for part in rest)
    return f"(() => {{ let v = {root}; {walk} return typeof v === 'function' ? undefined : v; }})()"


RESERVED = frozenset(
    [
        "await",
        "break",
        "case",
        "catch",
        "class",
        "const",
        "continue",
        "debugger",
        "default",
        "delete",
        "do",
        "else",
        "enum",
        "export",
        "extends",
        "false",
        "finally",
        "for",
        "function",
        "if",
        "implements",
        "import",
        "in",
        "instanceof",
        "interface",
        "let",
        "new",
        "null",
        "package",
        "private",
        "protected",
        "public",
        "return",
        "static",
        "super",
        "switch",
        "this",
        "throw",
        "true",
        "try",
        "typeof",
        "var",
        "void",
        "while",
        "with",
        "yield",
    ]
)
"""Words that can't be the name of a variable: a path that begins with one names a property of the global object."""
