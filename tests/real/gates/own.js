// A gate that no vendor made: a script computes what the page asks for, and takes it along. wait: seconds it takes more.
"use strict";
const { createHash, randomBytes } = require("node:crypto");

const asked = new Set();

module.exports = ({ wait = 0 }) => ({
  files: {},
  page() {
    const riddle = randomBytes(8).toString("hex");
    asked.add(riddle);
    return `<!doctype html><title>Wait</title><p>You will be let in soon.</p>
<form method="post" action="/gate/pass"><input type="hidden" name="riddle" value="${riddle}">
<input type="hidden" name="found"></form>
<script>
(async () => {
  const form = document.forms[0];
  for (let n = 0; ; n += 1) {
    const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode("${riddle}" + n)));
    if (bytes[0] === 0) {
      form.elements.found.value = n;
      setTimeout(() => form.submit(), ${wait * 1000});
      return;
    }
  }
})();
</script>`;
  },
  async solved(request, body, response) {
    const sent = new URLSearchParams(body);
    const hash = createHash("sha256").update(`${sent.get("riddle")}${sent.get("found")}`).digest();
    if (asked.delete(sent.get("riddle")) && hash[0] === 0) return true;
    response.writeHead(403, { "Content-Type": "text/plain" });
    response.end("no");
    return false;
  },
});
