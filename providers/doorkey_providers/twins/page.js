// The script of every twin's page. Before it: `gate` (what the cookie is made of) and `ask` (how this site is asked).
"use strict";
const mix = (text) => [0x811c9dc5, 0x9747b28c].map((word) => {
  for (const c of text) word = Math.imul(word ^ c.charCodeAt(0), 0x01000193) >>> 0;
  return word.toString(16).padStart(8, "0");
}).join("");

const entered = new Promise((resolve, reject) => addEventListener("load", () => setTimeout(async () => {
  try {
    const ticket = await (await fetch(gate.from + "?seed=" + gate.seed, {cache: "no-store"})).text();
    const value = ticket + "." + mix(gate.key + ":" + ticket);
    const rest = "; path=/; samesite=lax; max-age=" + gate.life;
    if (gate.hits) {
      const seen = document.cookie.match(new RegExp("(?:^|; )" + gate.hits + "=(\\d+)"));
      document.cookie = gate.hits + "=" + (seen ? Number(seen[1]) + 1 : 1) + rest;
    }
    document.cookie = gate.name + "=" + value + rest;
    resolve();
  } catch (failed) { reject(failed); }
}, gate.delay)));

const [said, form, state] = ["said", "ask", "state"].map((id) => document.getElementById(id));
const line = (who, text) => {
  const p = said.appendChild(document.createElement("p"));
  p.className = who; p.textContent = text;
  return p;
};
const lines = async (response, each) => {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const {value, done} = await reader.read();
    const all = (rest + (done ? "\n" : value)).split(/\r\n|\n|\r(?!$)/);
    rest = all.pop();
    all.forEach(each);
    if (done) return;
  }
};
entered.then(() => {
  form.elements.send.disabled = false;
  state.textContent = "You are in: this page's script has set its cookies.";
}, (failed) => { state.textContent = "Not in: " + failed; });
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const question = form.elements.question.value;
  line("you", question);
  form.elements.question.value = "";
  const answer = line("site", "…");
  try { await ask(question, answer); answer.dataset.done = "yes"; }
  catch (failed) { answer.textContent = "The site refused: " + failed; answer.dataset.done = "failed"; }
});
