// The official Node clients of OpenAI and Anthropic against a running gateway: each function is a rule.
//
// POMONA_URL (without `/v1`) and POMONA_KEY say where. The packages `openai` and `@anthropic-ai/sdk` are looked up from
// the folder in which this runs. The last line printed counts the rules.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.cwd(), "package.json"));
const OpenAI = require("openai").default;
const Anthropic = require("@anthropic-ai/sdk").default;

const url = process.env.POMONA_URL ?? "http://127.0.0.1:9999";
const apiKey = process.env.POMONA_KEY;
const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0, timeout: 60_000 });
const anthropic = new Anthropic({ baseURL: url, apiKey, maxRetries: 0, timeout: 60_000 });
const model = (await openai.models.list()).data[0].id;
const input = "Tell me a story about an apple tree.";
const messages = [{ role: "user", content: input }];

async function all(stream) {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
}

// The text of each of the first turns that a session tells one who listens.
async function tell(session, turns) {
  const headers = { authorization: `Bearer ${apiKey}` };
  const answer = await fetch(`${url}/v3/sessions/${session}/events`, { headers });
  const texts = {};
  let [unread, last, ended] = ["", 0, 0];
  for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
    const lines = (unread + piece).split("\n");
    unread = lines.pop();
    for (const line of lines.filter((each) => each.startsWith("data: "))) {
      const event = JSON.parse(line.slice("data: ".length));
      if (event.seq === undefined) continue;
      assert.equal(event.first_seq ?? event.seq, last + 1);
      last = event.seq;
      if (event.text !== undefined) texts[event.turn] = (texts[event.turn] ?? "") + event.text;
      if (event.type === "turn.finished" && (ended += 1) === turns) return texts;
    }
  }
  throw new Error(`the session ended after ${ended} turns`);
}

// What a model cannot do is refused by name; both are right here.
async function orRefused(made, check) {
  const refused = await made.then(check, (error) => error);
  if (refused instanceof Error && refused.status === 400) return assert(refused.code ?? refused.error?.error?.code);
  if (refused instanceof Error) throw refused;
}

const rules = {
  async aToolIsCalledOrRefusedByName() {
    const pick = { name: "pick", parameters: { type: "object", properties: {} } };
    const tools = [{ type: "function", function: pick }];
    const asked = { model, messages, tools, tool_choice: "required", max_tokens: 64 };
    await orRefused(openai.chat.completions.create(asked), (answer) => {
      for (const call of answer.choices[0].message.tool_calls ?? []) assert.equal(call.function.name, "pick");
    });
    const custom = [{ name: "pick", input_schema: { type: "object", properties: {} } }];
    await orRefused(anthropic.messages.create({ model, messages, tools: custom, max_tokens: 64 }), (message) => {
      assert(message.content.every((block) => ["text", "thinking", "tool_use"].includes(block.type)));
    });
  },
  async textsAreEmbeddedOrRefusedByName() {
    await orRefused(openai.embeddings.create({ model, input: ["an apple", "a pear"] }), (made) => {
      assert.deepEqual(made.data.map((each) => each.index), [0, 1]);
    });
  },
  async aSchemaHoldsInEveryAnswer() {
    const schema = { type: "object", properties: { ok: { type: "boolean" } }, required: ["ok"], additionalProperties: false };
    const response_format = { type: "json_schema", json_schema: { name: "verdict", strict: true, schema } };
    const answer = await openai.chat.completions.create({ model, messages, response_format, max_tokens: 100 });
    assert.equal(typeof JSON.parse(answer.choices[0].message.content).ok, "boolean");
  },
  async aChatIsAnsweredAndStreamed() {
    const answer = await openai.chat.completions.create({ model, messages, max_tokens: 16 });
    assert(answer.choices[0].message.content);
    const chunks = await all(await openai.chat.completions.create({ model, messages, max_tokens: 16, stream: true }));
    assert(chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? "").join(""));
  },
  async aResponseIsAnsweredAndRetrieved() {
    const response = await openai.responses.create({ model, input, max_output_tokens: 16 });
    assert(response.output_text && ["completed", "incomplete"].includes(response.status));
    const again = await openai.responses.retrieve(response.id);
    assert.deepEqual(again.output, response.output);
    assert.deepEqual(again.usage, response.usage);
  },
  async aResponseStreamGoesOnBehindEachNumber() {
    const events = await all(await openai.responses.create({ model, input, max_output_tokens: 16, stream: true }));
    const id = events[0].response.id;
    for (const [place, event] of events.entries()) {
      const options = { stream: true, starting_after: event.sequence_number };
      assert.deepEqual(await all(await openai.responses.retrieve(id, options)), events.slice(place + 1));
    }
  },
  async theStreamHelperOfResponsesReadsToTheEnd() {
    const stream = openai.responses.stream({ model, input, max_output_tokens: 16 });
    const response = await stream.finalResponse();
    assert(response.output_text);
  },
  async aFollowUpRemembersAndCanBeCancelledInTheBackground() {
    const first = await openai.responses.create({ model, input, max_output_tokens: 8 });
    const options = { model, input: "And then?", previous_response_id: first.id, background: true };
    const second = await openai.responses.create(options);
    const ended = await openai.responses.cancel(second.id);
    assert(["cancelled", "completed", "incomplete"].includes(ended.status), ended.status);
  },
  async clientsOfOneConversationHearTheSame() {
    const first = await openai.responses.create({ model, input, max_output_tokens: 8 });
    const options = { model, max_output_tokens: 24, previous_response_id: first.id };
    const ask = async (name) => {
      const own = new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0, timeout: 60_000 });
      return all(await own.responses.create({ ...options, input: `Go on, ${name}.`, stream: true }));
    };
    const told = await Promise.all([tell(first.pomona.session, 4), ask("Ann"), ask("Ben"), ask("Cleo")]);
    const [texts, ...heard] = told;
    for (const events of heard) {
      const { response } = events.at(-1);
      assert.equal(response.previous_response_id, first.id);
      assert.equal(response.output[0].content[0].text, texts[response.pomona.turn]);
      assert.deepEqual(await all(await openai.responses.retrieve(response.id, { stream: true })), events);
    }
  },
  async aForeignIdIsNotFound() {
    await assert.rejects(openai.responses.retrieve(`resp_${"0".repeat(32)}`), OpenAI.NotFoundError);
  },
  async aMessageIsAnsweredAndStreamed() {
    const message = await anthropic.messages.create({ model, messages, max_tokens: 16 });
    assert.equal(message.content[0].type, "text");
    const streamed = await anthropic.messages.stream({ model, messages, max_tokens: 16 }).finalMessage();
    assert(streamed.content[0].text && ["end_turn", "max_tokens"].includes(streamed.stop_reason));
    assert(streamed.usage.output_tokens > 0);
  },
  async tokensOfAMessageAreCounted() {
    assert((await anthropic.messages.countTokens({ model, messages })).input_tokens > 0);
  },
  async aRefusalHasAnthropicsShape() {
    const wrong = anthropic.messages.create({ model: "none", messages, max_tokens: 4 });
    await assert.rejects(wrong, (error) => error instanceof Anthropic.NotFoundError && error.error.type === "error");
  },
};

let failed = 0;
for (const [name, rule] of Object.entries(rules)) {
  try {
    await rule();
  } catch (error) {
    failed += 1;
    console.log(`FAILED ${name}`, error);
  }
}
console.log(`${Object.keys(rules).length - failed} passed, ${failed} failed with node ${process.version}`);
process.exit(failed ? 1 : 0);
