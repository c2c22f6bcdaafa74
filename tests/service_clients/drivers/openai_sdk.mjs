// openai-js.
import OpenAI from "openai";
import { prompts, run } from "./driver.mjs";

const sdk = (order) => new OpenAI({ baseURL: order.url, apiKey: order.key, maxRetries: order.retries });
const asked = (prompt) => [{ role: "user", content: prompt }];

async function read(client, order, prompt) {
  const pieces = [];
  let usage = null;
  const stream = await client.chat.completions.create({
    model: order.model, messages: asked(prompt), stream: true, stream_options: { include_usage: true },
  });
  for await (const chunk of stream) {
    const text = chunk.choices[0]?.delta.content;
    if (text) pieces.push(text);
    usage = chunk.usage ?? usage;
  }
  return { text: pieces.join(""), pieces: pieces.length, usage: usage?.total_tokens };
}

await run({
  async models(order) {
    const names = [];
    for await (const model of sdk(order).models.list()) names.push(model.id);
    return { models: names, one: (await sdk(order).models.retrieve(order.model)).id };
  },
  async chat(order) {
    const said = await sdk(order).chat.completions.create({ model: order.model, messages: asked(order.prompt) });
    return { text: said.choices[0].message.content, usage: said.usage.total_tokens };
  },
  stream: (order) => read(sdk(order), order, order.prompt),
  async many(order) {
    const client = sdk(order);
    const told = await Promise.all(prompts(order).map((prompt) => read(client, order, prompt)));
    return { texts: told.map((one) => one.text) };
  },
  async leave(order) {
    const stream = await sdk(order).chat.completions.create({
      model: order.model, messages: asked(order.prompt), stream: true,
    });
    for await (const chunk of stream) {
      const text = chunk.choices[0]?.delta.content;
      if (text) return { text };
    }
    return {};
  },
  async image(order) {
    const made = await sdk(order).images.generate({ model: order.model, prompt: order.prompt });
    return { image: made.data[0].b64_json };
  },
  async bad(order) {
    await sdk(order).chat.completions.create({ model: order.model, messages: asked(order.prompt), n: 2 });
    return {};
  },
});
