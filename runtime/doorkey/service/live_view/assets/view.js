// Shows the pictures of a page that doorkey's browser has open, and sends what a person does there.
"use strict";

const at = (id) => document.getElementById(id);
const stage = at("stage"), picture = at("picture"), keys = at("keys"), curtain = at("curtain");
const AGAIN = [500, 1000, 2000, 4000]; // milliseconds before the next try to connect
const SENTINEL = "\u200b"; // what a phone's keyboard can delete
let socket = null, tries = 0, over = false, controls = false, shown = "";

function send(message) {
  if (controls && socket !== null && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function ask(wish) {
  if (socket !== null && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type: "ask", wish }));
}

function tellLink(text, on = false) {
  at("link").textContent = text;
  at("link").classList.toggle("on", on);
}

function connect() {
  const address = new URL(document.body.dataset.socket, location.href);
  address.protocol = address.protocol.replace("http", "ws");
  socket = new WebSocket(address);
  socket.binaryType = "blob";
  socket.onopen = () => { tries = 0; };
  socket.onmessage = (event) => (typeof event.data === "string" ? receive(JSON.parse(event.data)) : draw(event.data));
  socket.onclose = () => {
    controls = false;
    if (over) return tellLink("Ended");
    tellLink("Connecting again …");
    setTimeout(lookAgain, AGAIN[Math.min(tries++, AGAIN.length - 1)]);
  };
}

async function lookAgain() {
  // A view that has ended, or a browser that may not look any more, is told apart from a network that is away.
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (answer.status >= 400 && answer.status < 500) return end("failed", "This view has ended, or you may not look at it any more.");
  } catch {
    // The network is away: the next try tells.
  }
  connect();
}

function draw(blob) {
  const address = URL.createObjectURL(blob);
  picture.src = address;
  if (shown) URL.revokeObjectURL(shown);
  shown = address;
  curtain.hidden = true;
}

function end(state, text) {
  over = true;
  receive({ type: "state", state, text });
  for (const button of document.querySelectorAll("button")) button.disabled = true;
  const home = at("home");
  if (home === null) return;
  home.hidden = false;
  for (const name of ["keyboard", "done", "give-up"]) at(name).hidden = true;
}

function receive(news) {
  if (news.type === "page") {
    at("origin").textContent = news.origin;
    at("origin").title = news.origin;
    at("origin").classList.toggle("plain", news.origin.startsWith("http:") && !/^http:\/\/(127\.|localhost|\[::1\])/.test(news.origin));
  } else if (news.type === "state") {
    at("state").textContent = news.text;
    at("state").className = news.state;
    if (news.action) at("done").textContent = news.action;
    if ((news.state === "done" || news.state === "failed") && !over) end(news.state, news.text);
  } else if (news.type === "role") {
    controls = news.role === "control";
    at("control").hidden = controls;
    for (const name of ["back", "reload", "keyboard", "done", "give-up"]) at(name).disabled = !controls || over;
    stage.classList.toggle("watching", !controls);
    const others = news.viewers - 1;
    tellLink((controls ? "In control" : "Watching") + (others > 0 ? `, ${others} more` : ""), true);
    if (controls) fit();
  } else if (news.type === "refused") {
    tellLink(news.text, true);
  }
}

// The page is as large as the room for its picture, so that it can be read on a phone.
let fitting = 0;
function fit() {
  clearTimeout(fitting);
  fitting = setTimeout(() => {
    const room = stage.getBoundingClientRect();
    // A phone's keyboard takes room for a while: the page keeps its height then.
    const height = document.activeElement === keys && room.width < 768 ? Math.max(room.height, 480) : room.height;
    send({ type: "size", width: Math.max(1, Math.round(room.width)), height: Math.max(1, Math.round(height)) });
  }, 150);
}

function place(event) {
  const box = picture.getBoundingClientRect();
  const share = (value) => Math.min(1, Math.max(0, value));
  return { x: share((event.clientX - box.left) / box.width), y: share((event.clientY - box.top) / box.height) };
}

const bits = (event) => (event.altKey ? 1 : 0) | (event.ctrlKey || event.metaKey ? 2 : 0) | (event.shiftKey ? 8 : 0);

// Mouse and pen
let clicks = { at: 0, x: 0, y: 0, count: 0 };
let moved = null;
function sendMouse(kind, event) {
  if (kind === "down") {
    const near = Math.hypot(event.clientX - clicks.x, event.clientY - clicks.y) < 5 && event.timeStamp - clicks.at < 500;
    clicks = { at: event.timeStamp, x: event.clientX, y: event.clientY, count: near ? Math.min(3, clicks.count + 1) : 1 };
  }
  const button = Math.min(2, Math.max(0, event.button));
  send({ type: "pointer", event: kind, ...place(event), button, buttons: event.buttons & 7, clicks: Math.max(1, clicks.count), modifiers: bits(event) });
}

// Touch: all fingers that are on the picture
const fingers = new Map();
let touched = false;
const points = () => [...fingers].map(([id, point], index) => ({ ...point, id: index }));

picture.addEventListener("pointerdown", (event) => {
  event.preventDefault();
  picture.setPointerCapture(event.pointerId);
  if (event.pointerType === "touch") {
    touched = true;
    if (document.activeElement !== keys) document.activeElement.blur();
    fingers.set(event.pointerId, place(event));
    send({ type: "touch", event: "start", points: points() });
  } else {
    keys.focus({ preventScroll: true });
    sendMouse("down", event);
  }
});
picture.addEventListener("pointermove", (event) => {
  if (event.pointerType === "touch" && !fingers.has(event.pointerId)) return;
  const first = moved === null;
  moved = event;
  if (first) requestAnimationFrame(() => {
    const last = moved;
    moved = null;
    if (last.pointerType !== "touch") return sendMouse("move", last);
    if (!fingers.has(last.pointerId)) return;
    fingers.set(last.pointerId, place(last));
    send({ type: "touch", event: "move", points: points() });
  });
});
function lift(event, kind) {
  if (event.pointerType !== "touch") return kind === "end" && sendMouse("up", event);
  if (!fingers.delete(event.pointerId)) return;
  if (fingers.size === 0) send({ type: "touch", event: kind, points: [] });
  else send({ type: "touch", event: "move", points: points() });
  // A phone shows its keyboard only for a field that got the focus by a touch.
  if (fingers.size === 0 && kind === "end" && document.activeElement === keys) keys.focus({ preventScroll: true });
}
picture.addEventListener("pointerup", (event) => lift(event, "end"));
picture.addEventListener("pointercancel", (event) => lift(event, "cancel"));
picture.addEventListener("contextmenu", (event) => event.preventDefault());
picture.addEventListener("dragstart", (event) => event.preventDefault());
picture.addEventListener("wheel", (event) => {
  event.preventDefault();
  const unit = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1;
  const within = (value) => Math.min(2000, Math.max(-2000, value * unit));
  send({ type: "wheel", ...place(event), dx: within(event.deltaX), dy: within(event.deltaY) });
}, { passive: false });

// Keyboard: keys as keys, and what a phone's keyboard, an input method or the clipboard writes as text
const NAMED = new Set(["Backspace", "Tab", "Enter", "Escape", "PageUp", "PageDown", "End", "Home", "ArrowLeft", "ArrowUp", "ArrowRight", "ArrowDown", "Delete", "Shift"]);
const COMBINED = new Set("abcixyzu");
function wants(event) {
  if (event.isComposing || event.keyCode === 229) return false;
  const letter = event.key.length === 1, graph = event.getModifierState("AltGraph");
  if (letter && (event.ctrlKey || event.metaKey) && !graph) return COMBINED.has(event.key.toLowerCase()) && !event.altKey;
  if (event.altKey && !graph) return false;
  return letter || NAMED.has(event.key);
}
function sendKey(kind, event) {
  const graph = event.getModifierState("AltGraph");
  send({ type: "key", event: kind, key: event.key, code: event.code, modifiers: graph ? bits(event) & 8 : bits(event) });
}
// A touch gives the field no focus, since that would open a phone's keyboard. Keys come then from one of hardware.
const listens = () => document.activeElement === keys || (touched && document.activeElement === document.body);
addEventListener("keydown", (event) => {
  if (!listens() || !wants(event)) return;
  event.preventDefault();
  sendKey("down", event);
});
addEventListener("keyup", (event) => {
  if (listens() && wants(event)) sendKey("up", event);
});
keys.addEventListener("paste", (event) => {
  event.preventDefault();
  const text = event.clipboardData.getData("text/plain").slice(0, 10000);
  if (text) send({ type: "text", text });
});
function press(key) {
  send({ type: "key", event: "down", key });
  send({ type: "key", event: "up", key });
}
function empty() {
  keys.value = SENTINEL;
  keys.setSelectionRange(1, 1);
}
function takeText() {
  const text = keys.value.replaceAll(SENTINEL, "");
  if (text === "\n") press("Enter");
  else if (text) send({ type: "text", text: text.slice(0, 10000) });
  else if (!keys.value) press("Backspace");
  empty();
}
keys.addEventListener("input", (event) => {
  if (!event.isComposing) takeText();
});
keys.addEventListener("compositionend", takeText);
keys.addEventListener("focus", () => { stage.classList.add("typing"); empty(); fit(); });
keys.addEventListener("blur", () => { stage.classList.remove("typing"); fit(); });

at("keyboard").addEventListener("click", () => keys.focus({ preventScroll: true }));
at("control").addEventListener("click", () => ask("control"));
at("reload").addEventListener("click", () => ask("reload"));
at("back").addEventListener("click", () => ask("back"));
at("done").addEventListener("click", () => ask("done"));
at("give-up").addEventListener("click", () => ask("give up"));
addEventListener("resize", fit);
new ResizeObserver(fit).observe(stage);
connect();
