// A site behind a gate: a page, an interface, a stream. Arguments: port, the gate's name (or "open"), its switches (JSON).
// Who passed the gate has a cookie, `pass`; who was only met by it has `met`, which is worth nothing.
"use strict";
const crypto = require("node:crypto");
const fs = require("node:fs");
const http = require("node:http");
const path = require("node:path");

const [, , port, name, told] = process.argv;
// life: seconds of a pass. tied: to user agent and address; "strictly": to how the browser's own HTTP spells headers as well. status: that the gate's page comes with.
// behind: "host:port" of another site, which then is the one behind the gate.
const switches = { life: 3600, tied: false, status: 403, behind: "", ...JSON.parse(told) };
const gate = name === "open" ? null : require(path.join(__dirname, `${name}.js`))(switches);
let secret = crypto.randomBytes(16);
let closed = false;
const counts = { pages: 0, gated: 0, passes: 0, calls: 0, streams: 0, worthless: 0, foreign: 0, dead: 0 };

const sealed = (text) => crypto.createHmac("sha256", secret).update(text).digest("hex");
const holder = (request) => {
  if (!switches.tied) return "anybody";
  const spelled = switches.tied === "strictly" ? request.rawHeaders.includes("User-Agent") : "";
  return [request.socket.remoteAddress, request.headers["user-agent"], spelled].join(" ");
};

function passFor(request) {
  const end = Date.now() + switches.life * 1000;
  counts.passes += 1;
  return `pass=${end}.${sealed(`until ${end}`)}.${sealed(`${end} ${holder(request)}`)}; Path=/; HttpOnly`;
}

function cookies(request) {
  const pairs = (request.headers.cookie || "").split("; ").map((pair) => pair.split(/=(.*)/s).slice(0, 2));
  return Object.fromEntries(pairs);
}

function passed(request) {
  if (gate === null) return true;
  if (closed) return false;
  const { pass, met } = cookies(request);
  if (!pass) {
    if (met && request.url.startsWith("/api/")) counts.worthless += 1;
    return false;
  }
  const [end, until, whose] = pass.split(".");
  if (until !== sealed(`until ${end}`) || Number(end) < Date.now()) counts.dead += 1;
  else if (whose !== sealed(`${end} ${holder(request)}`)) counts.foreign += 1;
  else return true;
  return false;
}

function answer(response, status, type, body, headers = {}) {
  response.writeHead(status, { "Content-Type": type, ...headers });
  response.end(body);
}
const json = (response, body, status = 200) => answer(response, status, "application/json", JSON.stringify(body));

async function bodyOf(request) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

async function control(request, response) {
  const change = JSON.parse((await bodyOf(request)) || "{}");
  if (change.kill) secret = crypto.randomBytes(16);
  if ("closed" in change) closed = change.closed;
  if ("status" in change) switches.status = change.status;
  json(response, counts);
}

async function stream(response, query) {
  counts.streams += 1;
  response.writeHead(200, { "Content-Type": "text/event-stream" });
  for (let n = 0; n < Number(query.get("n")); n += 1) {
    response.write(`data: ${query.get("of")} ${n}\n\n`);
    await new Promise((next) => setTimeout(next, Number(query.get("every"))));
  }
  response.end();
}

function relay(request, response) {
  const [hostname, port] = switches.behind.split(":");
  const { method, headers, url } = request;
  const asked = http.request({ hostname, port, method, path: url, headers }, (came) => {
    response.writeHead(came.statusCode, came.headers);
    came.pipe(response);
  });
  asked.on("error", () => response.destroy());
  request.pipe(asked);
}

async function handle(request, response) {
  const url = new URL(request.url, "http://site");
  if (url.pathname === "/control") return control(request, response);
  if (gate !== null && url.pathname.startsWith("/gate/")) {
    const file = gate.files[url.pathname];
    if (file) return answer(response, 200, "text/javascript", fs.readFileSync(file));
    const solved = await gate.solved(request, await bodyOf(request), response);
    if (!solved) return undefined;
    const Location = new URL(request.headers.referer || "/", "http://site").pathname;
    return answer(response, 303, "text/plain", "", { Location, "Set-Cookie": passFor(request) });
  }
  if (!passed(request)) {
    if (request.headers["sec-fetch-dest"] === "document") counts.gated += 1;
    return answer(response, switches.status, "text/html; charset=utf-8", gate.page(), { "Set-Cookie": "met=1; Path=/" });
  }
  if (switches.behind) return relay(request, response);
  if (url.pathname === "/") {
    counts.pages += 1;
    return answer(response, 200, "text/html; charset=utf-8", "<!doctype html><title>Notes</title><h1>Notes</h1>");
  }
  if (url.pathname === "/api/heard") {
    counts.calls += 1;
    return json(response, { heard: JSON.parse(await bodyOf(request)).text });
  }
  if (url.pathname === "/api/stream") return stream(response, url.searchParams);
  return json(response, { error: "there is nothing" }, 404);
}

const server = http.createServer((request, response) => {
  handle(request, response).catch((error) => {
    console.error(error);
    if (!response.headersSent) json(response, { error: "see server.log" }, 500);
  });
});
server.listen(Number(port), "127.0.0.1");
