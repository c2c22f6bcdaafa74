// The dashboard's script: keeps the page live, sends its forms without leaving it, and runs the playground.
"use strict";

const base = document.body.dataset.base;
const notice = document.getElementById("notice");

function tell(text) {
  notice.textContent = text;
}

async function explain(response) {
  try {
    return (await response.json()).error.message;
  } catch {
    return `the service answered HTTP ${response.status}`;
  }
}

// Make `old` equal to `fresh`, keeping the elements that are there: focus, selection and a reader's place stay.
function patch(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.nodeValue = fresh.nodeValue;
    return;
  }
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  patchChildren(old, fresh);
}

function patchChildren(old, fresh) {
  const wanted = new Set([...fresh.children].map((child) => child.dataset.key).filter(Boolean));
  const keyed = new Map();
  for (const child of [...old.children]) {
    if (!child.dataset.key) continue;
    if (wanted.has(child.dataset.key)) keyed.set(child.dataset.key, child);
    else child.remove();
  }
  let at = old.firstChild;
  for (const next of [...fresh.childNodes]) {
    const key = next.dataset?.key;
    const alike = at && !at.dataset?.key && at.nodeName === next.nodeName ? at : null;
    const found = key ? keyed.get(key) : alike;
    if (!found) {
      old.insertBefore(next, at);
    } else {
      if (found === at) at = at.nextSibling;
      else old.insertBefore(found, at);
      patch(found, next);
    }
  }
  while (at) {
    const following = at.nextSibling;
    at.remove();
    at = following;
  }
}

// Live: a stream of changed regions, open only while somebody sees the page.
const live = document.getElementById("live");
let source = null;
let retry = 0;

function showLive(on, text) {
  live.classList.toggle("on", on);
  if (live.textContent !== text) live.textContent = text;
}

function listen() {
  clearTimeout(retry);
  if (source || document.hidden) return;
  source = new EventSource(`${base}/dashboard/events`);
  source.onopen = () => showLive(true, "Live");
  source.onmessage = (event) => {
    for (const [id, text] of Object.entries(JSON.parse(event.data))) {
      patchChildren(document.getElementById(id), new DOMParser().parseFromString(text, "text/html").body);
    }
  };
  source.onerror = () => {
    pause();
    findLoss();
  };
}

// Say why the stream ended, and try again unless this browser is no longer let in.
async function findLoss() {
  let status = 0;
  try {
    status = (await fetch(`${base}/dashboard/page.css`, { cache: "no-store" })).status;
  } catch {
    // No connection: the status stays 0.
  }
  if (status === 401) {
    showLive(false, "Not live: this browser is no longer let in. Reload the page to see how to come in.");
    return;
  }
  showLive(false, status ? "Not live: trying again." : "Not live: the service does not answer. Trying again.");
  retry = setTimeout(listen, 3000);
}

function pause() {
  clearTimeout(retry);
  source?.close();
  source = null;
}

document.addEventListener("visibilitychange", () => (document.hidden ? pause() : listen()));
window.addEventListener("pagehide", pause);
window.addEventListener("pageshow", listen);
listen();

// The forms of the sites, and of the one that is being added.
async function post(form) {
  tell(`${form.dataset.told} …`);
  try {
    const response = await fetch(form.action, {
      method: "POST",
      headers: { "x-doorkey-script": "1" },
      body: new URLSearchParams(new FormData(form)),
    });
    tell(`${form.dataset.told}: ${response.ok ? form.dataset.after ?? "done" : await explain(response)}`);
    return response.ok;
  } catch {
    tell(`${form.dataset.told}: the service does not answer`);
    return false;
  }
}

for (const id of ["sites", "addition"]) {
  document.getElementById(id)?.addEventListener("submit", (event) => {
    if ("leads" in event.target.dataset) return tell(`${event.target.dataset.told} …`); // to another page
    event.preventDefault();
    post(event.target);
  });
}

const adding = document.getElementById("add");
adding?.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!(await post(adding))) return;
  adding.reset(); // what was typed leaves the page once the service has it
  document.getElementById("add-title").focus(); // the form makes room for what is done
});

// The playground.
const playground = document.getElementById("playground");
const answers = document.getElementById("answers");
const question = document.getElementById("question");
const messages = [];
let asking = null;

function add(kind, text) {
  const paragraph = document.createElement("p");
  paragraph.className = kind;
  paragraph.textContent = text;
  answers.append(paragraph);
  paragraph.scrollIntoView({ block: "nearest" });
  return paragraph;
}

function show(paragraph, piece) {
  if (piece.text) {
    paragraph.append(piece.text);
  } else if (piece.image) {
    const image = document.createElement("img");
    image.src = piece.image;
    image.alt = piece.alt || "the picture of the answer";
    paragraph.append(image);
  } else if (/^https?:/.test(piece.url ?? "")) {
    const link = document.createElement("a");
    Object.assign(link, { href: piece.url, textContent: piece.alt || piece.url, rel: "noreferrer noopener", target: "_blank" });
    paragraph.append(link);
  }
  paragraph.scrollIntoView({ block: "nearest" });
}

async function* readLines(body) {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let held = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    held += decoder.decode(value, { stream: true });
    const lines = held.split("\n");
    held = lines.pop();
    for (const line of lines) if (line) yield JSON.parse(line);
  }
}

async function ask(model, text) {
  messages.push({ role: "user", content: text });
  add("asked", text);
  const response = await fetch(`${base}/dashboard/ask`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "x-doorkey-form": document.body.dataset.formToken },
    body: JSON.stringify({ model, messages, stream: true }),
    signal: asking.signal,
  });
  if (!response.ok) throw new Error(await explain(response));
  const paragraph = add("answer", "");
  let ended = false;
  try {
    for await (const piece of readLines(response.body)) {
      if (piece.error) throw new Error(piece.error);
      if (piece.end) ended = true;
      else show(paragraph, piece);
    }
    if (!ended) throw new Error("the answer broke off");
  } finally {
    // An answer that failed leaves the chat as it was: whoever catches the error takes the question back, too.
    if (ended) messages.push({ role: "assistant", content: paragraph.textContent || "(a picture)" });
  }
}

function setAsking(controller) {
  asking = controller;
  document.getElementById("send").disabled = Boolean(controller);
  document.getElementById("stop").disabled = !controller;
}

playground?.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (asking || !question.value.trim()) return;
  const text = question.value;
  const before = messages.length;
  setAsking(new AbortController());
  question.value = "";
  try {
    await ask(document.getElementById("model").value, text);
  } catch (error) {
    messages.length = before;
    if (error.name === "AbortError") add("failed", "Stopped.");
    else add("failed", error.message);
  } finally {
    setAsking(null);
    question.focus();
  }
});

question?.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) playground.requestSubmit();
});
document.getElementById("stop")?.addEventListener("click", () => asking?.abort());
document.getElementById("clear")?.addEventListener("click", () => {
  asking?.abort();
  messages.length = 0;
  answers.replaceChildren();
  question.focus();
});
