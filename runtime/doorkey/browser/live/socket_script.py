"""The script of the blank page that opens WebSockets."""

from __future__ import annotations

from doorkey.browser.live.script_helpers import HELPERS

SOCKET_SCRIPT = (
    """(() => {
  const AHEAD = 1024 * 1024;
  const held = new Map();
"""
    + HELPERS
    + """
  const until = (it, name) => new Promise((resolve) => { it[name] = resolve; });
  const read = async (it, readable, largest) => {
    const reader = readable.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      if (it.closing) continue;
      const isText = typeof value === "string";
      const data = isText ? new TextEncoder().encode(value) : new Uint8Array(value);
      if (data.length > largest) { it.tooLong = it.closing = true; it.stream.close(); continue; }
      it.came.push([isText, text(data)]);
      it.size += data.length + 1;
      it.wake();
      if (it.size > AHEAD && !it.closing) await until(it, "resume");
    }
  };
  const run = async (it, largest) => {
    try {
      const { readable, writable } = await it.stream.opened;
      it.writer = writable.getWriter();
      it.open();
      await read(it, readable, largest);
    } catch { /* `closed` tells why */ }
    try {
      const { closeCode, reason } = await it.stream.closed;
      if (!it.tooLong) it.end = [closeCode, reason];
    } catch { /* it was lost */ }
    it.over = true;
    it.open();
    it.wake();
  };
  globalThis.doorkey = {
    begin(id, url, protocols, largest) {
      const it = { came: [], size: 0, end: null, over: false, tooLong: false, closing: false, pieces: [] };
      Object.assign(it, { wake() {}, resume() {}, stream: new WebSocketStream(url, { protocols }) });
      it.ready = until(it, "open");
      held.set(id, it);
      run(it, largest);
    },
    async take(id) {
      const it = held.get(id);
      if (!it) return { messages: [], over: true, end: null, tooLong: false };
      if (!it.came.length && !it.over) await until(it, "wake");
      const messages = it.came.splice(0);
      it.size = 0;
      it.resume();
      return { messages, over: it.over, end: it.end, tooLong: it.tooLong };
    },
    put(id, piece) { held.get(id)?.pieces.push(bytes(piece)); },
    async send(id, isText, last) {
      const it = held.get(id);
      if (!it) return false;
      const data = joined([...it.pieces.splice(0), bytes(last)]);
      await it.ready;
      try {
        await it.writer.write(isText ? new TextDecoder("utf-8", { ignoreBOM: true }).decode(data) : data);
      } catch { return false; }
      return true;
    },
    close(id, info) {
      const it = held.get(id);
      if (!it) return;
      it.closing = true;
      it.resume();
      it.stream.close(info);
    },
    forget(id) { held.delete(id); },
  };
})()"""
)
"""Messages are read ahead, up to AHEAD bytes. Beyond that the browser stops reading, and the site has to wait."""
