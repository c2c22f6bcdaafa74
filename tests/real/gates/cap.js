// Cap before a site: the widget in its page, begun by the page's script; challenges by @cap.js/server.
// count, difficulty: of its challenges; easy ones, unless told (Cap's own are 50 and 4). clicked: it waits for a click.
"use strict";
const path = require("node:path");
const Cap = require("@cap.js/server");

const cap = new Cap({ noFSState: true });

module.exports = ({ count = 6, difficulty = 2, clicked = false }) => ({
  files: { "/gate/cap.js": path.join(path.dirname(require.resolve("@cap.js/widget/package.json")), "cap.min.js") },
  // What the widget would fetch from another host is not there: it computes in JavaScript then.
  page: () => `<!doctype html><title>One moment</title><p>We check your browser.</p>
<script>window.CAP_CUSTOM_WASM_URL = "/gate/no.wasm";</script>
<script src="/gate/cap.js"></script>
<cap-widget data-cap-api-endpoint="/gate/"></cap-widget>
<script>
const widget = document.querySelector("cap-widget");
widget.addEventListener("solve", async (event) => {
  await fetch("/gate/pass", { method: "POST", body: event.detail.token, redirect: "manual" });
  location.reload();
});
${clicked ? "" : "widget.solve();"}
</script>`,
  async solved(request, body, response) {
    if (request.url === "/gate/pass" && (await cap.validateToken(body)).success) return true;
    const made = {
      "/gate/challenge": () => cap.createChallenge({ challengeCount: count, challengeDifficulty: difficulty }),
      "/gate/redeem": () => cap.redeemChallenge(JSON.parse(body)),
    }[request.url];
    const told = made ? await made() : { error: "this is nothing of Cap's" };
    response.writeHead(made ? 200 : 404, { "Content-Type": "application/json" });
    response.end(JSON.stringify(told));
    return false;
  },
});
