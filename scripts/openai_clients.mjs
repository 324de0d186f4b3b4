// Run by scripts/openai_clients: openai of npm against a server. `node ask.mjs URL KEY` prints what came of it as JSON.
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { VERSION } from "openai/version";
import { z } from "zod";

const [baseURL, apiKey] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const model = "ember/soap";
const asked = [{ role: "user", content: "One line for the soap." }];
const least = { model, messages: asked, max_tokens: 20, seed: 1 };
const structured = {
  model,
  messages: asked,
  response_format: zodResponseFormat(z.object({ good: z.boolean() }), "line"),
};
const tool = { type: "function", function: { name: "f", parameters: { type: "object", properties: {} } } };

const checks = {
  chat: async () => (await client.chat.completions.create(least)).choices[0].message.content,
  stream: async () => (await client.chat.completions.stream(least).finalContent()) !== null,
  structured: async () => (await client.chat.completions.parse(structured)).choices[0].message.parsed !== null,
  "sent back": async () => {
    const turns = [
      (await client.chat.completions.parse(structured)).choices[0].message,
      await client.chat.completions.stream(least).finalMessage(),
    ];
    for (const turn of turns) {
      await client.chat.completions.create({ ...least, messages: [...asked, turn, ...asked] });
    }
    return true;
  },
  tools: async () => (await client.chat.completions.create({ ...least, tools: [tool] })).choices[0],
};

const found = { version: VERSION };
for (const [name, check] of Object.entries(checks)) {
  try {
    found[name] = (await check()) ? "yes" : "no";
  } catch (error) {
    found[name] = error.message;
  }
}
console.log(JSON.stringify(found));
