// The chat page: asks for the key, sends the conversation, shows the answer as it comes.
// What a model says is only ever set as text, so it cannot become markup.
"use strict";

const KEY_NAME = "pomona.key";
const $ = (id) => document.getElementById(id);
const conversation = [];
let running = null;

function headers() {
  return { "authorization": `Bearer ${sessionStorage.getItem(KEY_NAME) ?? ""}`, "content-type": "application/json" };
}

function notice(text) {
  $("notice").textContent = text;
}

async function failure(response) {
  try {
    return (await response.json()).error.message;
  } catch {
    return `the server answered ${response.status}`;
  }
}

// Shows the form for the key, or the chat when the key opens it.
async function enter() {
  const hasKey = sessionStorage.getItem(KEY_NAME) !== null;
  let opened = false;
  if (hasKey) {
    try {
      const response = await fetch("/v1/models", { headers: headers() });
      opened = response.ok;
      if (opened) {
        showModels((await response.json()).data);
        notice("");
      } else {
        notice(await failure(response));
        if (response.status === 401) sessionStorage.removeItem(KEY_NAME);
      }
    } catch {
      notice("the server cannot be reached");
    }
  }
  $("unlock").hidden = opened;
  $("ask").hidden = !opened;
  $("forget").hidden = !opened;
  (opened ? $("question") : $("key")).focus();
}

function showModels(models) {
  const select = $("model");
  select.replaceChildren(...models.map((model) => {
    const option = document.createElement("option");
    option.value = model.id;
    option.textContent = model.id;
    return option;
  }));
  select.disabled = models.length === 0;
  if (models.length === 0) notice("no model is loaded yet");
}

function show(role, text) {
  const item = document.createElement("li");
  item.className = role;
  item.textContent = text;
  $("messages").append(item);
  item.scrollIntoView({ block: "end" });
  return item;
}

// Yields the data of each server-sent event; comments and unfinished events are not shown.
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    rest += value;
    const parts = rest.split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      for (const line of part.split("\n")) {
        if (line.startsWith("data: ")) yield line.slice(6);
      }
    }
  }
}

function figures(tokens, asked, first, now) {
  if (first === null) return "";
  const wait = `first token after ${((first - asked) / 1000).toFixed(2)} s`;
  const seconds = (now - first) / 1000;
  if (tokens < 2 || seconds <= 0) return wait;
  return `${wait} · ${((tokens - 1) / seconds).toFixed(1)} tokens/s`;
}

async function ask(question) {
  conversation.push({ role: "user", content: question });
  show("user", question);
  const item = show("assistant", "");
  const text = document.createTextNode("");
  running = new AbortController();
  busy(true);
  const asked = performance.now();
  let first = null;
  let tokens = 0;
  try {
    const response = await fetch("/v1/chat/completions", {
      method: "POST",
      headers: headers(),
      signal: running.signal,
      body: JSON.stringify({
        model: $("model").value,
        messages: conversation,
        stream: true,
        stream_options: { include_usage: true },
      }),
    });
    if (!response.ok) throw new Error(await failure(response));
    for await (const data of events(response.body)) {
      if (data === "[DONE]") break;
      const chunk = JSON.parse(data);
      if (chunk.error) throw new Error(chunk.error.message);
      if (chunk.usage) tokens = chunk.usage.completion_tokens;
      const delta = chunk.choices[0]?.delta?.content;
      if (delta) {
        if (first === null) {
          first = performance.now();
          item.append(text);
        }
        tokens += 1;
        text.appendData(delta);
        const nearEnd = innerHeight + scrollY > document.body.scrollHeight - 160;
        if (nearEnd) item.scrollIntoView({ block: "end" });
      }
      $("figures").textContent = figures(tokens, asked, first, performance.now());
    }
    notice("");
  } catch (error) {
    notice(error.name === "AbortError" ? "stopped" : error.message);
  }
  if (text.data === "") {
    item.remove();
    conversation.pop();
  } else {
    conversation.push({ role: "assistant", content: text.data });
  }
  running = null;
  busy(false);
}

function busy(isBusy) {
  $("messages").setAttribute("aria-busy", String(isBusy));
  $("send").hidden = isBusy;
  $("fresh").disabled = isBusy;
  $("stop").hidden = !isBusy;
  (isBusy ? $("stop") : $("question")).focus();
}

$("unlock").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY_NAME, $("key").value.trim());
  $("key").value = "";
  enter();
});
$("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  const question = $("question").value.trim();
  if (question === "" || running !== null) return;
  $("question").value = "";
  ask(question);
});
$("question").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $("ask").requestSubmit();
  }
});
$("stop").addEventListener("click", () => running?.abort());
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") running?.abort();
});
$("fresh").addEventListener("click", () => {
  conversation.length = 0;
  $("messages").replaceChildren();
  $("figures").textContent = "";
  notice("");
  $("question").focus();
});
$("forget").addEventListener("click", () => {
  running?.abort();
  sessionStorage.removeItem(KEY_NAME);
  enter();
});
enter();
