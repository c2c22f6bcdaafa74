"""The JavaScript functions that read a page when a visit has ended, and cover what its picture must not show."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

EXAMINE = """(selector) => {
  // Of the prototypes: a form's own properties may be fields of its names.
  const get = (type, name, of) => Object.getOwnPropertyDescriptor(type.prototype, name).get.call(of);
  const attribute = (one, name) => Element.prototype.getAttribute.call(one, name) ?? "";
  const shadowOf = (one) => get(Element, "shadowRoot", one);
  const find = (css, root) => root instanceof Document
    ? [...Document.prototype.querySelectorAll.call(root, css)] : [...root.querySelectorAll(css)];
  // As a step finds elements: in open shadow roots, too.
  const roots = [document];
  for (const root of roots) for (const one of find("*", root)) if (shadowOf(one)) roots.push(shadowOf(one));
  const above = (one) => get(Node, "parentElement", one) ?? Node.prototype.getRootNode.call(one).host ?? null;
  const within = (one, outer) => { while (one && one !== outer) one = above(one); return Boolean(one); };
  const all = (css) => roots.flatMap((root) => find(css, root));
  const first = (css) => {
    let found = [];
    try { found = all(css); } catch {}
    return found.find((one) => one.checkVisibility()) ?? found[0] ?? null;
  };
  const body = get(Document, "body", document);
  const clean = (text, most) => String(text ?? "").replace(/\\s+/g, " ").trim().slice(0, most).toWellFormed();
  const plain = /^[A-Za-z_][\\w-]{0,59}$/;
  const nameOf = (one) => {
    const tag = get(Element, "localName", one), id = attribute(one, "id"), name = attribute(one, "name");
    if (plain.test(id)) return `#${id}`;
    if (name && name.length <= 60) return `${tag}[name=${plain.test(name) ? name : JSON.stringify(name)}]`;
    const kind = [...get(Element, "classList", one)].find((each) => plain.test(each));
    return kind ? `${tag}.${kind}` : tag;
  };
  const placeOf = (one) => {
    const tag = get(Element, "localName", one), alike = [one];
    for (let at = one; (at = get(Element, "previousElementSibling", at));)
      if (get(Element, "localName", at) === tag) alike.unshift(at);
    for (let at = one; (at = get(Element, "nextElementSibling", at));)
      if (get(Element, "localName", at) === tag) alike.push(at);
    return alike.length > 1 ? `${tag}:nth-of-type(${alike.indexOf(one) + 1})` : tag;
  };
  // By this selector a step finds the element and no other one. It names parents only where it has to.
  const selectorOf = (one) => {
    let inner = "";
    for (let at = one; at && at !== body; at = get(Node, "parentElement", at)) {
      for (const part of [nameOf(at), placeOf(at)]) if (first(part + inner) === one) return part + inner;
      inner = ` > ${placeOf(at)}${inner}`;
    }
    // A step's selector goes into shadow roots by itself.
    const host = Node.prototype.getRootNode.call(one).host;
    if (host) return `${selectorOf(host)} ${nameOf(one)}`;
    return first(`body${inner}`) === one ? `body${inner}` : nameOf(one);
  };
  const describe = (one, text) => ({ selector: selectorOf(one), text: clean(text ?? one.innerText, 600) });
  const element = selector ? first(selector) : null;
  const area = innerWidth * innerHeight;
  const topAt = (x, y) => {
    let top = document.elementFromPoint(x, y);
    for (let inner; (inner = top && shadowOf(top)?.elementFromPoint(x, y)) && inner !== top;) top = inner;
    return top;
  };
  const layerOf = (one) => {
    for (let up = one; up && up !== body; up = above(up)) {
      const style = getComputedStyle(up);
      if (style.position === "fixed" || style.position === "sticky" || up.localName === "dialog" ||
          (style.position === "absolute" && Number(style.zIndex) > 0)) return up;
    }
    return null;
  };
  let overlay = null;
  if (element) {
    const box = element.getBoundingClientRect();
    const top = box.width ? topAt(box.x + box.width / 2, box.y + box.height / 2) : null;
    if (top && !within(top, element) && !within(element, top)) overlay = layerOf(top) ?? top;
  }
  if (!overlay) {
    const seen = new Map();
    for (const x of [.15, .5, .85]) for (const y of [.15, .5, .9]) {
      const top = topAt(innerWidth * x, innerHeight * y), layer = top && layerOf(top);
      if (layer) seen.set(layer, (seen.get(layer) ?? 0) + 1);
    }
    for (const [layer, times] of seen) {
      const box = layer.getBoundingClientRect();
      // A modal dialog takes all clicks, however small it is.
      if (layer.matches(":modal") || (times >= 2 && box.width * box.height >= area * .15)) { overlay = layer; break; }
    }
  }
  // A dialog's backdrop may be an element beside it.
  const inside = overlay ?? body;
  const clickable = "button, [role=button], input[type=submit], input[type=button]";
  let buttons = all(clickable).filter((one) => within(one, inside) && one.checkVisibility());
  if (overlay && !buttons.length) buttons = all(clickable).filter((one) => {
    const box = one.getBoundingClientRect(), top = topAt(box.x + box.width / 2, box.y + box.height / 2);
    return top && within(top, one);
  });
  if (!buttons.length) buttons = all("a[href]").filter((one) => within(one, inside) && one.checkVisibility());
  const kinds = "input:not([type=hidden]):not([type=submit]):not([type=button]), select, textarea";
  const fields = all(kinds).filter((one) => one.checkVisibility());
  const hintsOf = (one) =>
    [one.id, one.name, one.placeholder, one.ariaLabel, one.labels?.[0]?.innerText].join(" ");
  const shown = [...(body ? [body] : []), ...roots.slice(1).flatMap((root) => [...root.children])];
  const text = shown.map((one) => one.innerText ?? "").join("\\n");
  const lines = text.split("\\n").map((line) => clean(line, 2000)).filter(Boolean).slice(0, 60);
  const speaks = (words) => new RegExp(words.join("|"), "i");
  const second = speaks(["two.?(step|factor)", "2.?factor", "\\\\b2fa\\\\b", "authenticator", "zwei.?faktor",
    "double authentification", "dos (pasos|factores)"]);
  const sent = speaks(["\\\\b\\\\d.?(digit|stellig|chiffres|d[ií]gitos)", "code.{0,40}(sent|gesendet|envoy)",
    "c[oó]digo.{0,40}enviad"]);
  const named = speaks(["(^|[^a-z])(otp|totp|2fa|mfa|one.?time|passcode)",
    "(^|[^a-z])(verification|auth|security|sms|login).?code"]);
  // A field for a few digits is one for a code where the page speaks of a second step, or of a code that was sent.
  const short = (one) => one.inputMode === "numeric" || one.type === "tel" || (one.maxLength > 0 && one.maxLength <= 8);
  const expected = second.test([document.title, ...lines].join(" ")) || lines.some((line) => sent.test(line));
  const code = fields.find((one) => one.autocomplete === "one-time-code")
    ?? fields.find((one) => named.test(hintsOf(one)))
    ?? fields.find((one) => expected && one.type !== "password"
      && (short(one) || /\\bcode\\b|c[oó]digo/i.test(hintsOf(one))));
  const told = (one) => [one === code ? "one-time-code" : "", one.type, one.name, one.ariaLabel,
    one.labels?.[0]?.innerText].join(" ");
  const mark = (one, name) => one && one.setAttribute("data-doorkey-mark", name);
  mark(overlay, "overlay");
  mark(element, "element");
  const shows = (css) => all(css).some((one) => one.checkVisibility());
  const titles = overlay && all("iframe").filter((one) => within(one, overlay)).map((one) => one.title).join(" ");
  const asks = code ? "a one-time code"
    : shows("iframe[src*=captcha], [class*=captcha], .cf-turnstile") ? "a CAPTCHA"
    : shows("input[type=password]") ? "a password" : "";
  return {
    title: clean(document.title, 200),
    lines, asks, element: element && describe(element, ""),
    overlay: overlay && describe(overlay, overlay.innerText || titles),
    buttons: buttons.slice(0, 8).map((one) => describe(one, one.innerText || one.value)),
    fields: fields.slice(0, 20).map((one) => describe(one, told(one))),
  };
}"""
"""What the page shows: its text, the element that a step needs, what covers it, buttons, fields, what it asks for."""

COVER = """(secrets, color) => {
  const tokenLike =
    /eyJ[\\w-]{8,}|(?=\\S*\\d)(?=\\S*[a-z])(?=\\S*[A-Z])[\\w+=]{20,}|\\b(?=[0-9a-f]*\\d)[0-9a-f]{16,}\\b/;
  // Of the prototypes: a form's own properties may be fields of its names.
  const styleOf = (one) => {
    const kind = [HTMLElement, SVGElement, MathMLElement].find((each) => one instanceof each);
    return kind && Object.getOwnPropertyDescriptor(kind.prototype, "style").get.call(one);
  };
  const set = (one, styles) => {
    for (const name in styles) styleOf(one)?.setProperty(name, styles[name], "important");
  };
  const find = (css, root) =>
    root instanceof Document ? Document.prototype.querySelectorAll.call(root, css) : root.querySelectorAll(css);
  const roots = [document], covered = new Set(), shown = [];
  for (const root of roots) {
    const every = find("*", root);
    for (const one of every) if (one.shadowRoot) roots.push(one.shadowRoot);
    let left = 20000;
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node && left--; node = walker.nextNode()) {
      const text = node.data;
      if (text.length >= 2 && (secrets.some((one) => text.includes(one)) || tokenLike.test(text)))
        covered.add(node.parentElement ?? root.host);
    }
    for (const one of every) {
      const typed = one.localName === "input" && !/^(button|submit|reset|image|checkbox|radio|hidden)$/.test(one.type);
      if ((typed || one.localName === "textarea") && one.value) covered.add(one);
      if (one.localName === "select" && one.value) covered.add(one);
      if (one.isContentEditable && one.textContent) covered.add(one);
      if (one.localName === "canvas" || one.localName === "video") covered.add(one);
    }
  }
  const outline = (name, color) => {
    for (const root of roots) for (const one of find(`[data-doorkey-mark=${name}]`, root))
      set(one, { outline: `3px solid ${color}`, "outline-offset": "-3px" });
  };
  outline("overlay", "#e07b00");
  outline("element", "#d0021b");
  // What is covered is not painted at all, wherever it moves; the boxes show where it is.
  const host = document.createElement("doorkey-cover"), boxes = host.attachShadow({ mode: "closed" });
  set(host, { all: "initial", position: "fixed", inset: "0", width: "100vw", height: "100vh", overflow: "hidden",
    background: "none", border: "0", padding: "0", margin: "0", "pointer-events": "none", "z-index": "2147483647" });
  for (const one of covered) {
    const { x, y, width, height } = Element.prototype.getBoundingClientRect.call(one), style = styleOf(one);
    for (const name of style ? ["transition", "opacity"] : [])
      shown.push([style, name, style.getPropertyValue(name), style.getPropertyPriority(name)]);
    set(one, { transition: "none", opacity: "0" });
    if (!width || !height || x > innerWidth || y > innerHeight || x + width < 0 || y + height < 0) continue;
    const box = document.createElement("div");
    set(box, { position: "absolute", left: `${x}px`, top: `${y}px`, width: `${width}px`, height: `${height}px`,
      background: color });
    boxes.append(box);
  }
  document.documentElement?.append(host);
  try { host.popover = "manual"; host.showPopover(); } catch {}
  globalThis.doorkeyUncover = () => {
    host.remove();
    for (const [style, name, value, priority] of shown.reverse()) style.setProperty(name, value, priority);
  };
}"""
"""Covers, in *color*, what the picture must not show: filled fields, texts with *secrets*, and what draws what nobody
can read. It also draws outlines around the elements that EXAMINE has marked. UNCOVER takes back all but these."""

UNCOVER = "() => globalThis.doorkeyUncover?.()"

GLOBALS = """((declared) => {
  const found = {}, seen = new Set();
  let left = 3000;
  // Objects of the page's own classes hold what it keeps; those of the browser's classes do not.
  const isOwn = (kind) => kind === null || kind === Object.prototype
    || !/\\[native code\\]/.test(Object.getOwnPropertyDescriptor(kind, "constructor")?.value ?? "[native code]");
  const take = (inner, at, depth) => {
    if (typeof inner === "string" && inner.length >= 4 && inner.length <= 4096) found[at] = inner;
    else if (inner && typeof inner === "object" && depth < 3 && !seen.has(inner) && !(inner instanceof Node)) {
      if (!isOwn(Object.getPrototypeOf(inner))) return;
      seen.add(inner);
      walk(inner, at, depth + 1);
    }
  };
  const walk = (value, path, depth) => {
    for (const name of Object.getOwnPropertyNames(value)) {
      if (left-- <= 0) return;
      const own = Object.getOwnPropertyDescriptor(value, name);
      if (!own || !("value" in own) || !/^[\\w$-]{1,60}$/.test(name)) continue;
      take(own.value, path ? path + "." + name : name, depth);
    }
  };
  for (const [name, read] of declared) try { take(read(), name, 0); } catch {}
  try { walk(window, "", 0); } catch {}
  return JSON.stringify(found);
})"""


def read_globals(declared: Iterable[str]) -> str:
    """Return the expression that gives the texts in the global scope of the page's own scripts, by path, as JSON.

    *declared* are the names that `const`, `let` and `class` declare there. Getters are not called.
    """
    names = (name for name in declared if re.fullmatch(r"[A-Za-z_$][\w$]{0,59}", name))
    return f"{GLOBALS}([{', '.join(f'[{json.dumps(name)}, () => {name}]' for name in names)}])"
