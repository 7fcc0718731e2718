"""OpenAI's own client on the Responses API: each function is a rule, run in order of the file.

OPENAI_BASE_URL and OPENAI_API_KEY say where, OTHER_API_KEY is a second key of the same server, when there is one. The
last line printed counts the rules.
"""

import json
import os
import sys
import threading
import time
import traceback
import urllib.request

import openai

BASE = os.environ.setdefault("OPENAI_BASE_URL", "http://127.0.0.1:9999/v1")
client = openai.OpenAI(max_retries=0, timeout=60)
ROOT = BASE.removesuffix("/v1")
MODEL = client.models.list().data[0].id
STORY = "Tell me a story about an apple tree."
ENDS = ("response.completed", "response.incomplete", "response.failed")


def ask(**options):
    options.setdefault("input", STORY)
    options.setdefault("max_output_tokens", 24)
    return client.responses.create(model=MODEL, **options)


def text_of(events):
    return "".join(event.delta for event in events if event.type == "response.output_text.delta")


def raw(path, body=None):
    """The text of an answer, as no client has touched it."""
    headers = {"authorization": f"Bearer {client.api_key}", "content-type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{ROOT}{path}", data, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read().decode()


def post(path, body):
    return json.loads(raw(path, body))


def refused(kind, call):
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"not refused: {kind.__name__}")


def a_response_is_answered_and_can_be_retrieved():
    response = ask()
    assert response.object == "response" and response.id.startswith("resp_"), response.id
    assert response.model == MODEL and response.output_text
    assert response.status in ("completed", "incomplete"), response.status
    if response.status == "incomplete":
        assert response.incomplete_details.reason == "max_output_tokens"
    usage = response.usage
    assert 0 < usage.output_tokens <= 24 and usage.total_tokens == usage.input_tokens + usage.output_tokens
    assert client.responses.retrieve(response.id).to_dict() == response.to_dict()


def a_stream_is_numbered_and_says_what_the_response_says():
    events = list(ask(stream=True))
    assert [event.type for event in events[:4]] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    numbers = [event.sequence_number for event in events]
    assert numbers == sorted(set(numbers)), numbers
    assert events[-1].type in ENDS
    assert text_of(events) == events[-1].response.output_text
    assert client.responses.retrieve(events[0].response.id).output_text == text_of(events)


def a_stream_can_be_had_again_from_every_number():
    events = [event.to_dict() for event in ask(stream=True)]
    for place, event in enumerate(events):
        again = client.responses.retrieve(
            events[0]["response"]["id"], stream=True, starting_after=event["sequence_number"]
        )
        assert [event.to_dict() for event in again] == events[place + 1 :], event


def a_resumed_stream_has_the_same_bytes():
    events = raw("/v1/responses", {"model": MODEL, "input": STORY, "max_output_tokens": 24, "stream": True}).split("\n\n")
    events = [event + "\n\n" for event in events if event and not event.startswith(":")]
    name = events[0].split('"id":"resp_')[1].split('"')[0]
    assert raw(f"/v1/responses/resp_{name}?stream=true") == "".join(events)
    for place, event in enumerate(events):
        number = event.split('"sequence_number":')[1].split(",")[0].rstrip("}\n")
        rest = raw(f"/v1/responses/resp_{name}?stream=true&starting_after={number}")
        assert rest == "".join(events[place + 1 :]), number


def the_clients_own_stream_helper_works():
    with client.responses.stream(model=MODEL, input=STORY, max_output_tokens=200) as stream:
        events = list(stream)
    assert text_of(events) and events[-1].type in ENDS


def a_follow_up_knows_what_was_said_and_branches():
    first = ask(temperature=0)
    follow = [ask(input=text, previous_response_id=first.id) for text in ("And then?", "Why?")]
    for response in follow:
        assert response.previous_response_id == first.id
        assert response.usage.input_tokens > first.usage.input_tokens + first.usage.output_tokens - 2
    assert follow[0].id != follow[1].id


def told(session, turns, ready):
    """What a session tells one who listens: the text of each of these many turns, and the numbers of all events."""
    headers = {"authorization": f"Bearer {client.api_key}"}
    request = urllib.request.Request(f"{ROOT}/v3/sessions/{session}/events", headers=headers)
    texts, ended, last = {}, set(), 0
    with urllib.request.urlopen(request, timeout=60) as answer:
        for line in answer:
            if not line.startswith(b"data: "):
                continue
            event = json.loads(line.removeprefix(b"data: "))
            if event["type"] == "caught_up":
                ready.set()
            if "seq" not in event:
                continue
            assert event.get("first_seq", event["seq"]) == last + 1, (last, event)
            last = event["seq"]
            if event["type"] in ("turn.tokens", "turn.finished"):
                texts[event["turn"]] = texts.get(event["turn"], "") + event["text"]
            if event["type"] in ("turn.finished", "turn.failed"):
                ended.add(event["turn"])
                if len(ended) == turns:
                    return texts


def clients_of_one_conversation_see_the_same():
    first = ask()
    session, ready, heard, read = first.pomona["session"], threading.Event(), {}, {}

    def listen():
        read.update(told(session, 7, ready))

    def go_on(name):
        own = openai.OpenAI(max_retries=0, timeout=60)
        stream = own.responses.create(model=MODEL, input=f"Go on, {name}.", max_output_tokens=24, stream=True,
                                      previous_response_id=first.id)
        heard[name] = [event.to_dict() for event in stream]

    listener = threading.Thread(target=listen)
    listener.start()
    assert ready.wait(60)
    writers = [threading.Thread(target=go_on, args=(name,)) for name in ("Ann", "Ben", "Cleo", "Dan")]
    # Somebody who speaks of sessions asks in between, one more who reads along asks for nothing.
    asked = [post(f"/v3/sessions/{session}/turns", {"input": text, "sampling": {"max_tokens": 24}}) for text in "ab"]
    for thread in writers:
        thread.start()
    for thread in (*writers, listener):
        thread.join()
    assert len(heard) == 4 and len(read) == 7, (heard, read)
    reader = openai.OpenAI(max_retries=0, timeout=60)
    for events in heard.values():
        response = events[-1]["response"]
        assert response["output"][0]["content"][0]["text"] == read[response["pomona"]["turn"]]
        assert response["previous_response_id"] == first.id
        again = reader.responses.retrieve(response["id"], stream=True)
        assert [event.to_dict() for event in again] == events
    for turn in asked:
        response = reader.responses.retrieve(turn["turn"].replace("turn_", "resp_"))
        assert response.output_text == read[turn["turn"]]


def instructions_are_not_inherited():
    first = ask(instructions="Answer in one word.")
    assert first.instructions == "Answer in one word."
    assert ask(previous_response_id=first.id).instructions is None


def items_of_the_input_are_listed():
    output = ask().output
    items = [{"role": "user", "content": "hello"}, *[item.to_dict() for item in output], {"role": "user", "content": "go on"}]
    response = ask(input=items)
    listed = client.responses.input_items.list(response.id, order="asc").data
    assert [item.role for item in listed] == ["user", "assistant", "user"]
    assert listed[2].content[0].text == "go on"
    page = client.responses.input_items.list(response.id, limit=1)
    assert len(page.data) == 1 and page.has_more and page.data[0].content[0].text == "go on"


def a_response_in_the_background_goes_on_alone():
    response = ask(background=True)
    assert response.status in ("queued", "in_progress", "completed", "incomplete"), response.status
    for _ in range(600):
        if response.status not in ("queued", "in_progress"):
            break
        time.sleep(0.1)
        response = client.responses.retrieve(response.id)
    assert response.status in ("completed", "incomplete") and response.output_text


def a_background_stream_that_is_left_is_found_again_whole():
    stream = ask(background=True, stream=True, max_output_tokens=64)
    heard = []
    for event in stream:
        heard.append(event.to_dict())
        if len(heard) == 7:
            break
    stream.close()
    rest = client.responses.retrieve(heard[0]["response"]["id"], stream=True, starting_after=heard[-1]["sequence_number"])
    events = heard + [event.to_dict() for event in rest]
    whole = client.responses.retrieve(heard[0]["response"]["id"], stream=True)
    assert events == [event.to_dict() for event in whole]
    assert events[-1]["type"] in ENDS


def a_stream_that_is_left_is_cancelled():
    stream = ask(stream=True, max_output_tokens=100_000 if os.environ.get("LONG") else 2000)
    name = next(iter(stream)).response.id
    stream.close()
    for _ in range(300):
        response = client.responses.retrieve(name)
        if response.status != "in_progress":
            break
        time.sleep(0.1)
    assert response.status in ("cancelled", "completed", "incomplete"), response.status


def a_response_can_be_cancelled_twice():
    response = ask(background=True, max_output_tokens=2000)
    cancelled = client.responses.cancel(response.id)
    assert cancelled.status in ("cancelled", "completed", "incomplete"), cancelled.status
    assert client.responses.cancel(response.id).to_dict() == cancelled.to_dict()


def a_deleted_response_is_gone():
    response = ask()
    client.responses.delete(response.id)
    refused(openai.NotFoundError, lambda: client.responses.retrieve(response.id))
    refused(openai.NotFoundError, lambda: ask(previous_response_id=response.id))


def one_of_several_responses_is_not_deleted_alone():
    first = ask()
    ask(previous_response_id=first.id)
    error = refused(openai.ConflictError, lambda: client.responses.delete(first.id))
    assert error.code == "response_in_conversation", error


def what_is_not_stored_is_answered_and_not_found():
    response = ask(store=False)
    assert response.output_text and response.store is False
    refused(openai.NotFoundError, lambda: client.responses.retrieve(response.id))
    events = list(ask(store=False, stream=True))
    assert text_of(events) == events[-1].response.output_text
    stored = ask()
    follow = ask(store=False, previous_response_id=stored.id, input="Go on.")
    assert follow.usage.input_tokens > stored.usage.input_tokens


def a_key_of_idempotency_asks_once():
    headers = {"Idempotency-Key": f"key-{time.time_ns()}"}
    first, second = ask(extra_headers=headers), ask(extra_headers=headers)
    assert first.to_dict() == second.to_dict()
    error = refused(openai.UnprocessableEntityError, lambda: ask(input="Else.", extra_headers=headers))
    assert error.code == "idempotency_mismatch", error


def a_stream_with_a_key_goes_on_when_it_is_left():
    options = {"stream": True, "max_output_tokens": 200, "extra_headers": {"Idempotency-Key": f"key-{time.time_ns()}"}}
    stream = ask(**options)
    heard = [event.to_dict() for event, _ in zip(stream, range(6))]
    stream.close()
    again = [event.to_dict() for event in ask(**options)]
    assert again[: len(heard)] == heard
    assert again[-1]["response"]["status"] in ("completed", "incomplete"), again[-1]


def bad_input_is_named():
    for options, code, param in (
        ({"input": []}, "invalid_request", "input"),
        ({"tools": [{"type": "web_search"}]}, "tool_type_not_supported", "tools[0].type"),
        ({"temperature": 3}, "invalid_request", "temperature"),
        ({"max_output_tokens": 0}, "invalid_request", "max_output_tokens"),
        ({"truncation": "both"}, "invalid_request", "truncation"),
        ({"background": True, "store": False}, "invalid_request", "background"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "item_not_supported", "input[0].type"),
    ):
        error = refused(openai.BadRequestError, lambda: ask(**options))
        assert (error.code, error.param) == (code, param), (options, error)
    error = refused(openai.NotFoundError, lambda: client.responses.create(model="none", input="x"))
    assert error.code == "model_not_found", error


def unknown_ids_and_numbers_are_refused():
    for name in ("resp_0", "resp_" + "0" * 32, "x" * 500, "turn_" + "0" * 32):
        for call in (client.responses.retrieve, client.responses.cancel, client.responses.delete):
            error = refused(openai.NotFoundError, lambda: call(name))
            assert error.code == "response_not_found", (name, error)
    done = ask()
    for number in (10_000, -1, 2**70):
        error = refused(openai.BadRequestError, lambda: client.responses.retrieve(done.id, stream=True, starting_after=number))
        assert error.param == "starting_after", error


def another_key_sees_nothing_of_it():
    key = os.environ.get("OTHER_API_KEY")
    if not key:
        return
    other = openai.OpenAI(api_key=key, max_retries=0, timeout=60)
    name = ask().id
    for call in (other.responses.retrieve, other.responses.cancel, other.responses.delete, other.responses.input_items.list):
        refused(openai.NotFoundError, lambda: call(name))
    refused(openai.NotFoundError, lambda: other.responses.create(model=MODEL, input="x", previous_response_id=name))
    assert client.responses.retrieve(name).id == name


def a_schema_holds_and_is_repeated():
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"], "additionalProperties": False}
    form = {"format": {"type": "json_schema", "name": "verdict", "schema": schema, "strict": True}}
    response = ask(text=form, max_output_tokens=100)
    assert isinstance(json.loads(response.output_text)["ok"], bool), response.output_text
    assert client.responses.retrieve(response.id).text.format.type == "json_schema"


def tools_are_repeated_or_refused_by_name():
    tool = {"type": "function", "name": "pick", "parameters": {"type": "object", "properties": {}}, "strict": True}
    try:
        response = ask(tools=[tool])
    except openai.BadRequestError as error:
        assert error.code, error
        return
    assert response.tools[0].name == "pick" and response.tool_choice == "auto", response


def main():
    skipped = {"ask", "text_of", "raw", "post", "told", "refused", "main"}
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
    print(f"{len(rules) - failed} passed, {failed} failed with openai {openai.__version__}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
