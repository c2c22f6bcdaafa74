// The Vercel AI SDK: over its OpenAI-compatible provider or, with the argument `responses`, over that of OpenAI.
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateImage, generateText, streamText } from "ai";
import { prompts, run } from "./driver.mjs";

const responses = process.argv[2] === "responses";

function provider(order) {
  const settings = { name: "doorkey", baseURL: order.url, apiKey: order.key };
  return responses ? createOpenAI(settings) : createOpenAICompatible({ ...settings, includeUsage: true });
}

const asking = (order, prompt) => ({ model: provider(order)(order.model), prompt, maxRetries: order.retries });

async function read(order, prompt) {
  const pieces = [];
  let failed = null;
  const result = streamText({ ...asking(order, prompt), onError: ({ error }) => { failed ??= error; } });
  try {
    for await (const piece of result.textStream) pieces.push(piece);
  } catch (error) {
    failed ??= error;
  }
  if (failed) throw failed;
  return { text: pieces.join(""), pieces: pieces.length, usage: (await result.usage).totalTokens };
}

await run({
  async chat(order) {
    const said = await generateText(asking(order, order.prompt));
    return { text: said.text, usage: said.usage.totalTokens };
  },
  stream: (order) => read(order, order.prompt),
  async many(order) {
    const told = await Promise.all(prompts(order).map((prompt) => read(order, prompt)));
    return { texts: told.map((one) => one.text) };
  },
  async leave(order) {
    const leaving = new AbortController();
    const result = streamText({ ...asking(order, order.prompt), abortSignal: leaving.signal, onError() {} });
    for await (const text of result.textStream) {
      leaving.abort();
      return { text };
    }
    return {};
  },
  async image(order) {
    const made = await generateImage({ model: provider(order).imageModel(order.model), prompt: order.prompt });
    return { image: made.image.base64 };
  },
  async bad(order) {
    const content = [{ type: "image", image: new Uint8Array([137, 80, 78, 71]), mediaType: "image/png" }];
    const { model, maxRetries } = asking(order, "");
    await generateText({ model, maxRetries, messages: [{ role: "user", content }] });
    return {};
  },
});
