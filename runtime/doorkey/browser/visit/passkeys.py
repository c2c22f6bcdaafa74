"""Cancels a passkey ceremony: nobody is there to touch a key, and the page would wait for minutes."""

from __future__ import annotations

import json

CANCEL = 3.0
"""Seconds that a page's question for a passkey stays open, as a person would take to press Cancel."""


def cancelling_script(mark: str) -> str:
    """Return the script that every page of a login visit runs first. It logs *mark* when a ceremony is cancelled.

    Conditional mediation (passkeys in a field's autofill) is left alone: it waits in the background by design.
    """
    return SCRIPT.replace("MARK", json.dumps(mark)).replace("CANCEL", str(int(CANCEL * 1000)))


SCRIPT = """(() => {
  if (!globalThis.CredentialsContainer) return;
  const tell = console.debug.bind(console), later = setTimeout, never = clearTimeout, then = Promise.prototype.then;
  for (const name of ["get", "create"]) {
    const own = CredentialsContainer.prototype[name];
    CredentialsContainer.prototype[name] = function (options) {
      if (!options?.publicKey || options.mediation === "conditional") return own.call(this, options);
      const stop = new AbortController();
      const timer = later(() => {
        tell(MARK);
        stop.abort(new DOMException("The operation either timed out or was not allowed.", "NotAllowedError"));
      }, CANCEL);
      const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
      const ceremony = own.call(this, { ...options, signal }), over = () => never(timer);
      then.call(ceremony, over, over);
      return ceremony;
    };
  }
})()"""
