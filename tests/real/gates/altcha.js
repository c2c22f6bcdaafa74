// ALTCHA before a site: the widget in its page, its challenges made and checked by altcha-lib. auto: "onload", or "off".
"use strict";
const { randomBytes } = require("node:crypto");
const path = require("node:path");
const { createChallenge, randomInt, verifySolution } = require("altcha-lib");
const { deriveKey } = require("altcha-lib/algorithms/pbkdf2");

const secrets = { hmacSignatureSecret: randomBytes(16).toString("hex"), hmacKeySignatureSecret: randomBytes(16).toString("hex") };

module.exports = ({ auto }) => ({
  files: { "/gate/altcha.js": path.join(path.dirname(require.resolve("altcha")), "altcha.umd.cjs") },
  page: () => `<!doctype html><title>One moment</title><p>We check your browser.</p>
<form method="post" action="/gate/pass">
<altcha-widget auto="${auto}" challenge="/gate/challenge" name="altcha"></altcha-widget></form>
<script src="/gate/altcha.js"></script>
<script>
document.querySelector("altcha-widget").addEventListener("statechange", (event) => {
  if (event.detail.state === "verified") setTimeout(() => document.querySelector("form").submit());
});
</script>`,
  async solved(request, body, response) {
    if (request.url === "/gate/challenge") {
      const counter = randomInt(200, 400);
      const made = await createChallenge({ algorithm: "PBKDF2/SHA-256", cost: 500, counter, deriveKey, ...secrets });
      response.writeHead(200, { "Content-Type": "application/json" });
      response.end(JSON.stringify(made));
      return false;
    }
    const payload = JSON.parse(Buffer.from(new URLSearchParams(body).get("altcha") || "bnVsbA==", "base64").toString());
    if (payload !== null && (await verifySolution({ ...payload, deriveKey, ...secrets })).verified) return true;
    response.writeHead(403, { "Content-Type": "text/plain" });
    response.end("this is no solution");
    return false;
  },
});
