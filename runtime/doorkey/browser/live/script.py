"""The script of the blank page that sends requests."""

from __future__ import annotations

from doorkey.browser.live.script_helpers import HELPERS

SCRIPT = (
    """(() => {
  const held = new Map();
"""
    + HELPERS
    + """
  const one = (id) => {
    if (!held.has(id)) held.set(id, { pieces: [], credit: 0, stop: new AbortController() });
    return held.get(id);
  };
  globalThis.doorkey = {
    for_ever: new Promise(() => {}),
    put(id, piece) { one(id).pieces.push(bytes(piece)); },
    begin(id, url, options) {
      const it = one(id);
      const body = joined(it.pieces);
      it.pieces = [];
      it.answer = fetch(`${url}#${id}`, { ...options, body, signal: it.stop.signal });
      it.answer.catch(() => {});
    },
    async sent(id) {
      try { await held.get(id)?.answer; } catch (error) { return error.name === "AbortError" ? "" : error.message; }
      return "";
    },
    async allow(id, more) {
      const it = held.get(id);
      if (!it) return;
      it.credit += more;
      if (it.reading) return;
      it.reading = true;
      try {
        const reader = (it.reader ??= (await it.answer).body?.getReader());
        while (reader && it.credit > 0) {
          const { done, value } = await reader.read();
          if (done) break;
          it.credit -= value.length;
        }
      } catch { /* DevTools tells why */ }
      it.reading = false;
    },
    async whole(id) {
      const it = held.get(id);
      return it ? text(new Uint8Array(await (await it.answer).arrayBuffer())) : "";
    },
    abort(id) { held.get(id)?.stop.abort(); held.delete(id); },
    forget(id) { held.delete(id); },
  };
})()"""
)
"""Runs only in the blank page. DevTools delivers the bodies; the page reads them only to keep the stream going."""
