// A site that express-rate-limit keeps. Arguments: port, a name (none), its switches (JSON): limit, seconds, page.
"use strict";
const express = require("express");
const { rateLimit } = require("express-rate-limit");

const [, , port, , told] = process.argv;
const { limit, seconds, page } = JSON.parse(told);
const counts = { pages: 0, calls: 0, limited: 0 };
const app = express();
const keep = (standardHeaders) =>
  rateLimit({
    windowMs: seconds * 1000, limit, standardHeaders, legacyHeaders: standardHeaders === false, validate: false,
    handler: (request, response, next, options) => {
      counts.limited += 1;
      response.status(options.statusCode).send(options.message);
    },
  });

app.use(express.json());
app.get("/control", (request, response) => response.json(counts));
app.post("/control", (request, response) => response.json(counts));
app.get("/", page ? keep("draft-8") : [], (request, response) => {
  counts.pages += 1;
  response.send("<!doctype html><title>Notes</title><h1>Notes</h1>");
});
for (const headers of ["draft-6", "draft-7", "draft-8"]) {
  app.post(`/${headers}/heard`, keep(headers), (request, response) => {
    counts.calls += 1;
    response.json({ heard: request.body.text });
  });
}
app.post("/legacy/heard", keep(false), (request, response) => {
  counts.calls += 1;
  response.json({ heard: request.body.text });
});
app.listen(Number(port), "127.0.0.1");
