// Runs one client: reads an order a line from standard input, and writes what the client made of it.
import { createInterface } from "node:readline";

export const prompts = (order) => Array.from({ length: order.count }, (_, number) => `${order.prompt} ${number}.`);

function tell(error) {
  const told = { kind: error.name, message: String(error.message ?? error), status: null, code: null };
  for (let cause = error; cause; cause = cause.cause ?? cause.lastError) {
    let body = {};
    try { body = JSON.parse(cause.responseBody ?? "{}"); } catch { /* not JSON: it tells no code */ }
    told.status ??= cause.status ?? cause.statusCode ?? null;
    told.code ??= cause.code ?? body.error?.code ?? null;
  }
  return told;
}

export async function run(verbs) {
  console.log(JSON.stringify({ verbs: Object.keys(verbs).sort() }));
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    const order = JSON.parse(line);
    order.url = `${order.base}/v1`;
    let told;
    try { told = await verbs[order.verb](order); } catch (error) { told = { error: tell(error) }; }
    console.log(JSON.stringify(told));
  }
}
