"""The script of the blank page that sends requests."""

from __future__ import annotations

SCRIPT = """(() => {
  const held = new Map();
  const bytes = (text) => {
    const raw = atob(text), found = new Uint8Array(raw.length);
    for (let at = 0; at < raw.length; at += 1) found[at] = raw.charCodeAt(at);
    return found;
  };
  const text = (bytes) => {
    let said = "";
    for (let at = 0; at < bytes.length; at += 32768) said += String.fromCharCode(...bytes.subarray(at, at + 32768));
    return btoa(said);
  };
  const joined = (pieces) => {
    if (pieces.length < 2) return pieces[0];
    const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
    let at = 0;
    for (const piece of pieces) { all.set(piece, at); at += piece.length; }
    return all;
  };
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
"""Runs only in the blank page. DevTools delivers the bodies; the page reads them only to keep the stream going."""
