// Node-RED with one account, and an address that ends all sessions.
// Arguments: the folder for its data, the port. APP_USER and APP_HASH (bcrypt) may log in.
const http = require("http");
const express = require("express");
const RED = require("node-red");

const [, , folder, port] = process.argv;
const app = express();
const server = http.createServer(app);
const revoked = new Set();
let issued = [];
RED.init(server, {
  userDir: folder,
  flowFile: "flows.json",
  httpAdminRoot: "/",
  httpNodeRoot: "/api",
  logging: { console: { level: "warn" } },
  editorTheme: { tours: false, projects: { enabled: false } },
  telemetry: { enabled: false, updateNotification: false },
  adminAuth: {
    type: "credentials",
    users: [{ username: process.env.APP_USER, password: process.env.APP_HASH, permissions: "*" }],
  },
});
app.post("/-/kill", (request, response) => {
  const tokens = require("@node-red/editor-api/lib/auth/tokens");
  require("fs").readFile(`${folder}/.sessions.json`, "utf8", async (error, text) => {
    const known = Object.keys(JSON.parse(text || "{}"));
    for (const token of known) await tokens.revoke(token);
    response.json({ ended: known.length });
  });
});
app.use("/", RED.httpAdmin);
RED.start().then(() => server.listen(Number(port), "127.0.0.1"));
