"""Anthropic's own client against a running gateway: each function is a rule, run in order of the file.

ANTHROPIC_BASE_URL (without `/v1`) and ANTHROPIC_API_KEY say where. The last line printed counts the rules.
"""

import json
import os
import sys
import threading
import time
import traceback
import urllib.error
import urllib.request

import anthropic

BASE = os.environ.setdefault("ANTHROPIC_BASE_URL", "http://127.0.0.1:9999")
client = anthropic.Anthropic(max_retries=0, timeout=60)
HEADERS = {"x-api-key": client.api_key, "anthropic-version": "2023-06-01", "content-type": "application/json"}
STORY = [{"role": "user", "content": "Tell me a story about an apple tree."}]


def raw(path, body=None, **headers):
    """Status and text of an answer, as no client has touched them."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{BASE}{path}", data, {**HEADERS, **headers})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read().decode()


MODEL = json.loads(raw("/v1/models")[1])["data"][0]["id"]


def ask(**options):
    options.setdefault("messages", STORY)
    options.setdefault("max_tokens", 24)
    return client.messages.create(model=MODEL, **options)


def refused(kind, call):
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"not refused: {kind.__name__}")


def post(body, **headers):
    return raw("/v1/messages", {"model": MODEL, "max_tokens": 24, "messages": STORY, **body}, **headers)


def a_message_is_answered():
    message = ask()
    assert message.type == "message" and message.role == "assistant" and message.id.startswith("msg_")
    assert message.model == MODEL and message.content[0].type == "text" and message.content[0].text
    assert message.stop_reason in ("end_turn", "max_tokens") and message.stop_sequence is None
    assert 0 < message.usage.output_tokens <= 24 and message.usage.input_tokens >= 0


def max_tokens_ends_with_its_reason():
    message = ask(max_tokens=3)
    assert message.stop_reason == "max_tokens" and message.usage.output_tokens == 3


def a_stream_is_a_whole_message():
    with client.messages.stream(model=MODEL, max_tokens=24, messages=STORY) as stream:
        names = [event.type for event in stream]
        message = stream.get_final_message()
    assert names[0] == "message_start" and names[-1] == "message_stop", names
    assert message.content[0].text and message.stop_reason in ("end_turn", "max_tokens")
    assert message.usage.output_tokens > 0


def raw_events_come_in_anthropics_order():
    events = [event.type for event in ask(stream=True)]
    assert events[:2] == ["message_start", "content_block_start"], events
    assert events[-3:] == ["content_block_stop", "message_delta", "message_stop"], events
    assert set(events[2:-3]) == {"content_block_delta"}, events


def a_conversation_with_a_system_prompt_and_blocks_is_answered():
    block = lambda text: {"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}
    messages = [
        {"role": "user", "content": [block("What is "), block("Pomona?")]},
        {"role": "assistant", "content": "A goddess."},
        {"role": "user", "content": "Of what?"},
    ]
    more = {"temperature": 0.5, "top_k": 5}
    message = ask(messages=messages, system=[block("Answer briefly.")], stop_sequences=["\n\n\n"], extra_body=more)
    assert message.content[0].text


def tokens_are_counted_as_the_answer_counts_them():
    for system in (anthropic.omit, "Answer briefly."):
        count = client.messages.count_tokens(model=MODEL, messages=STORY, system=system).input_tokens
        usage = ask(system=system).usage
        assert count == usage.input_tokens + usage.cache_read_input_tokens, (count, usage)


def a_key_of_idempotency_makes_an_answer_last():
    key = {"Idempotency-Key": f"key-{time.time_ns()}"}
    first, second = ask(extra_headers=key), ask(extra_headers=key)
    assert first.to_dict() == second.to_dict()
    error = refused(anthropic.UnprocessableEntityError, lambda: ask(extra_headers=key, system="Else."))
    assert error.body["error"]["code"] == "idempotency_mismatch", error.body


def a_lasting_stream_goes_on_behind_every_number():
    key = f"key-{time.time_ns()}"
    first = post({"stream": True}, **{"idempotency-key": key})[1]
    events = [part + "\n\n" for part in first.split("\n\n") if part]
    numbered = [event for event in events if event.startswith("id: ")]
    assert "".join(numbered).replace("\n\n", "").count("id: ") == len(numbered) > 6
    for place, event in enumerate(numbered):
        number = event.split("\n")[0].removeprefix("id: ")
        rest = post({"stream": True}, **{"idempotency-key": key, "last-event-id": number})[1]
        assert rest == "".join(numbered[place + 1 :]), number
    status, text = post({"stream": True}, **{"idempotency-key": key, "last-event-id": "100000"})
    assert status == 400 and json.loads(text)["error"]["code"] == "cursor_ahead", text


def two_clients_with_one_key_hear_the_same():
    key = {"Idempotency-Key": f"key-{time.time_ns()}"}
    heard = {}

    def listen(name):
        own = anthropic.Anthropic(max_retries=0, timeout=60)
        stream = own.messages.create(model=MODEL, max_tokens=48, messages=STORY, stream=True, extra_headers=key)
        heard[name] = [event.to_dict() for event in stream if event.type != "ping"]

    threads = [threading.Thread(target=listen, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(heard) == 4 and heard[0][-1]["type"] == "message_stop", heard
    assert all(events == heard[0] for events in heard.values()), heard
    said = "".join(event["delta"]["text"] for event in heard[0] if event["type"] == "content_block_delta")
    assert ask(max_tokens=48, extra_headers=key).content[0].text == said


def errors_have_anthropics_shape():
    for options, says in (
        ({"messages": []}, "messages is empty"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"tools": [{"name": "f g", "input_schema": {"type": "object"}}]}, "tools[0].name"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "web_search"),
        ({"messages": [{"role": "user", "content": [{"type": "document", "source": {}}]}]}, "document"),
        ({"extra_body": {"temperature": 9}}, "temperature"),
    ):
        error = refused(anthropic.BadRequestError, lambda: ask(**options))
        assert error.body["type"] == "error" and error.body["error"]["type"] == "invalid_request_error", error.body
        assert says in error.body["error"]["message"], error.body
    error = refused(anthropic.NotFoundError, lambda: client.messages.create(model="none", max_tokens=4, messages=STORY))
    assert error.body["error"]["type"] == "not_found_error", error.body
    wrong = anthropic.Anthropic(api_key="wrong", max_retries=0)
    error = refused(anthropic.AuthenticationError, lambda: wrong.messages.create(model=MODEL, max_tokens=4, messages=STORY))
    assert error.body["error"]["type"] == "authentication_error", error.body
    huge = [{"role": "user", "content": "apple " * 200_000}]
    error = refused(anthropic.BadRequestError, lambda: ask(messages=huge))
    assert error.body["error"]["code"] == "context_length_exceeded", error.body


def a_stream_that_is_closed_early_frees_the_client():
    stream = ask(stream=True, max_tokens=400)
    next(iter(stream))
    stream.close()
    assert ask(max_tokens=4).content[0].text


def a_stop_sequence_is_named():
    greedy = {"temperature": 0}
    said = ask(max_tokens=40, extra_body=greedy).content[0].text
    middle = said[len(said) // 2 :].split()
    if len(middle) < 2:
        return
    message = ask(max_tokens=40, extra_body=greedy, stop_sequences=[middle[1]])
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", middle[1]), message


def tools_are_called_or_refused_by_name():
    tool = {"name": "pick", "input_schema": {"type": "object", "properties": {}}}
    try:
        message = ask(tools=[tool], tool_choice={"type": "any"}, max_tokens=64)
    except anthropic.BadRequestError as error:
        assert error.body["error"]["code"], error.body
        return
    for block in message.content:
        assert block.type in ("text", "thinking", "tool_use"), block


def main():
    skipped = {"raw", "ask", "refused", "post", "main"}
    rules = [value for name, value in globals().items() if callable(value) and name not in skipped]
    rules = [rule for rule in rules if getattr(rule, "__module__", "") == "__main__"]
    failed = 0
    for rule in rules:
        try:
            rule()
        except Exception:
            failed += 1
            print(f"FAILED {rule.__name__}")
            traceback.print_exc(file=sys.stdout)
    print(f"{len(rules) - failed} passed, {failed} failed with anthropic {anthropic.__version__}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
