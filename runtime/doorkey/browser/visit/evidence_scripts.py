"""The JavaScript functions that read a page when a visit has ended, and cover what its picture must not show."""

from __future__ import annotations

EXAMINE = """(selector) => {
  const all = (css, root = document) => {
    const found = root instanceof Document
      ? [...Document.prototype.querySelectorAll.call(root, css)] : [...root.querySelectorAll(css)];
    return found;
  };
  const get = (type, name, of) => Object.getOwnPropertyDescriptor(type.prototype, name).get.call(of);
  const body = get(Document, "body", document);
  const clean = (text, most) => String(text ?? "").replace(/\\s+/g, " ").trim().slice(0, most).toWellFormed();
  const selectorOf = (one) => {
    const tag = one.localName;
    if (one.id && typeof one.id === "string") return `#${one.id.slice(0, 60)}`;
    const name = one.getAttribute("name");
    if (name) return `${tag}[name=${name.slice(0, 60)}]`;
    const part = one.classList[0];
    return part ? `${tag}.${part.slice(0, 60)}` : tag;
  };
  const describe = (one, text) => ({ selector: selectorOf(one), text: clean(text ?? one.innerText, 600) });
  let element = null;
  try { element = selector ? all(selector).find((one) => one.checkVisibility()) ?? all(selector)[0] : null; } catch {}
  element ??= null;
  const area = innerWidth * innerHeight;
  const topAt = (x, y) => document.elementFromPoint(x, y);
  const layerOf = (one) => {
    for (let up = one; up && up !== body; up = up.parentElement) {
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
    if (top && !element.contains(top) && !top.contains(element)) overlay = layerOf(top) ?? top;
  }
  if (!overlay) {
    const seen = new Map();
    for (const x of [.15, .5, .85]) for (const y of [.15, .5, .9]) {
      const top = topAt(innerWidth * x, innerHeight * y), layer = top && layerOf(top);
      if (layer) seen.set(layer, (seen.get(layer) ?? 0) + 1);
    }
    for (const [layer, times] of seen) {
      const box = layer.getBoundingClientRect();
      if (times >= 2 && box.width * box.height >= area * .15) { overlay = layer; break; }
    }
  }
  // A dialog's backdrop may be an element beside it.
  const inside = overlay ?? body;
  const clickable = "button, [role=button], input[type=submit], input[type=button]";
  let buttons = inside ? all(clickable, inside).filter((one) => one.checkVisibility()) : [];
  if (overlay && !buttons.length && body) buttons = all(clickable, body).filter((one) => {
    const box = one.getBoundingClientRect(), top = topAt(box.x + box.width / 2, box.y + box.height / 2);
    return top && (one === top || one.contains(top));
  });
  const kinds = "input:not([type=hidden]):not([type=submit]):not([type=button]), select, textarea";
  const fields = body ? all(kinds, body).filter((one) => one.checkVisibility()) : [];
  const code = fields.find((one) => one.autocomplete === "one-time-code") ?? fields.find((one) =>
    /(^|[^a-z])(otp|totp|2fa|mfa|one.?time|verification.?code|auth.?code|passcode)/i.test(
      [one.id, one.name, one.placeholder, one.labels?.[0]?.innerText].join(" ")));
  const told = (one) => [one === code ? "one-time-code" : "", one.type, one.name, one.labels?.[0]?.innerText].join(" ");
  const mark = (one, name) => one && one.setAttribute("data-doorkey-mark", name);
  mark(overlay, "overlay");
  mark(element, "element");
  const shows = (css) => body !== null && all(css, body).some((one) => one.checkVisibility());
  const asks = code ? "a one-time code"
    : shows("iframe[src*=captcha], [class*=captcha], .cf-turnstile") ? "a CAPTCHA"
    : shows("input[type=password]") ? "a password" : "";
  return {
    title: clean(document.title, 200),
    lines: body ? body.innerText.split("\\n").map((line) => clean(line, 2000)).filter(Boolean).slice(0, 60) : [],
    element: element && describe(element, ""), overlay: overlay && describe(overlay),
    buttons: buttons.slice(0, 8).map((one) => describe(one, one.innerText || one.value)),
    fields: fields.slice(0, 20).map((one) => describe(one, told(one))), asks,
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
  const roots = [document], covered = new Set(), shown = [];
  for (const root of roots) {
    const every = root instanceof Document
      ? Document.prototype.querySelectorAll.call(root, "*") : root.querySelectorAll("*");
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
    for (const one of Document.prototype.querySelectorAll.call(document, `[data-doorkey-mark=${name}]`))
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

GLOBALS = """(() => {
  const found = {}, seen = new Set();
  let left = 3000;
  const walk = (value, path, depth) => {
    for (const name of Object.getOwnPropertyNames(value)) {
      if (left-- <= 0) return;
      const own = Object.getOwnPropertyDescriptor(value, name);
      if (!own || !("value" in own) || !/^[\\w$-]{1,60}$/.test(name)) continue;
      const inner = own.value, at = path ? path + "." + name : name;
      if (typeof inner === "string" && inner.length >= 4 && inner.length <= 4096) found[at] = inner;
      else if (inner && typeof inner === "object" && depth < 3 && !seen.has(inner) && !(inner instanceof Node)) {
        const plain = Object.getPrototypeOf(inner);
        if (plain !== null && plain !== Object.prototype) continue;
        seen.add(inner);
        walk(inner, at, depth + 1);
      }
    }
  };
  try { walk(window, "", 0); } catch {}
  return JSON.stringify(found);
})()"""
"""The texts in the global scope of the page's own scripts, by path, as JSON. Getters are not called."""
