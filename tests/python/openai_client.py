"""OpenAI's own client against a running gateway: each function is a rule, run in order of the file.

OPENAI_BASE_URL and OPENAI_API_KEY say where. The last line printed counts the rules.
"""

import json
import os
import sys
import threading
import traceback

import openai

client = openai.OpenAI(max_retries=0, timeout=60)
STORY = [{"role": "user", "content": "Tell me a story about an apple tree."}]


def a_model_is_listed_and_can_be_retrieved():
    models = client.models.list().data
    assert models, "no model"
    assert client.models.retrieve(models[0].id).id == models[0].id
    assert models[0].object == "model"


MODEL = client.models.list().data[0].id


def ask(**options):
    options.setdefault("messages", STORY)
    options.setdefault("max_tokens", 24)
    return client.chat.completions.create(model=MODEL, **options)


def collect(stream):
    chunks = list(stream)
    choices = [choice for chunk in chunks for choice in chunk.choices]
    text = "".join(choice.delta.content or "" for choice in choices)
    reasons = [choice.finish_reason for choice in choices if choice.finish_reason]
    return text, reasons, chunks


def a_chat_is_answered():
    answer = ask()
    assert answer.object == "chat.completion"
    assert answer.model == MODEL
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason in ("stop", "length")
    usage = answer.usage
    assert 0 < usage.completion_tokens <= 24, usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def a_stream_ends_with_one_reason_and_the_usage():
    text, reasons, chunks = collect(ask(stream=True, stream_options={"include_usage": True}))
    assert text and len(reasons) == 1, (text, reasons)
    assert len({chunk.id for chunk in chunks}) == 1, "one id over all chunks"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens > 0
    assert all(chunk.usage is None for chunk in chunks[:-1])


def a_stream_says_what_the_whole_answer_says():
    whole = ask(temperature=0, seed=7).choices[0].message.content
    text, _, _ = collect(ask(temperature=0, seed=7, stream=True))
    assert text == whole, (text, whole)


def a_seed_fixes_the_answer():
    texts = {ask(temperature=1, seed=11).choices[0].message.content for _ in range(3)}
    assert len(texts) == 1, texts


def max_tokens_ends_with_length():
    for name in ("max_tokens", "max_completion_tokens"):
        answer = client.chat.completions.create(model=MODEL, messages=STORY, **{name: 3})
        assert answer.choices[0].finish_reason == "length"
        assert answer.usage.completion_tokens == 3


def a_stop_text_ends_before_itself():
    whole = ask(temperature=0, seed=7).choices[0].message.content
    word = whole.split()[3]
    answer = ask(temperature=0, seed=7, stop=[word])
    assert word not in answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert whole.startswith(answer.choices[0].message.content)


def many_choices_are_numbered():
    answer = ask(n=3, temperature=1, seed=3)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    _, reasons, chunks = collect(ask(n=2, stream=True))
    assert len(reasons) == 2
    assert {choice.index for chunk in chunks for choice in chunk.choices} == {0, 1}


def logprobs_come_one_per_token():
    answer = ask(logprobs=True, top_logprobs=2, max_tokens=6)
    content = answer.choices[0].logprobs.content
    assert len(content) == answer.usage.completion_tokens
    assert all(token.logprob <= 0 and len(token.top_logprobs) == 2 for token in content)
    assert "".join(bytes(token.bytes).decode("utf-8", "replace") for token in content)


def a_conversation_with_roles_and_parts_is_answered():
    parts = [{"type": "text", "text": "What is "}, {"type": "text", "text": "Pomona?"}]
    roles = [
        {"role": "developer", "content": "Answer briefly."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hello! How can I help?"},
        {"role": "user", "content": parts},
    ]
    assert ask(messages=roles).choices[0].message.content


def a_text_completion_is_answered():
    answer = client.completions.create(model=MODEL, prompt="Once upon a time", max_tokens=8, temperature=0)
    assert answer.object == "text_completion"
    assert answer.choices[0].text and answer.usage.completion_tokens == 8
    stream = client.completions.create(model=MODEL, prompt="Once upon a time", max_tokens=8, temperature=0, stream=True)
    assert "".join(chunk.choices[0].text for chunk in stream if chunk.choices) == answer.choices[0].text


def an_unknown_model_is_not_found():
    error = refused(openai.NotFoundError, model="no-such-model")
    assert error.code == "model_not_found", error


def a_value_out_of_range_names_its_parameter():
    for name, value in (("temperature", 3), ("top_p", -1), ("n", 0), ("max_tokens", 0), ("presence_penalty", 9)):
        error = refused(openai.BadRequestError, **{name: value})
        assert error.param == name, (name, error.param, str(error))


def a_prompt_past_the_context_is_refused():
    error = refused(openai.BadRequestError, messages=[{"role": "user", "content": "apple " * 200_000}])
    assert error.code == "context_length_exceeded", error


def refused(kind, **options):
    options = {"model": MODEL, "messages": STORY, "max_tokens": 4, **options}
    try:
        client.chat.completions.create(**options)
    except kind as error:
        return error
    raise AssertionError(f"not refused: {kind.__name__}")


def a_wrong_key_is_refused():
    try:
        openai.OpenAI(api_key="wrong", max_retries=0).models.list()
    except openai.AuthenticationError as error:
        assert error.status_code == 401
        return
    raise AssertionError("a wrong key was accepted")


def a_stream_that_is_closed_early_frees_the_client():
    stream = ask(stream=True, max_tokens=400)
    next(iter(stream))
    stream.close()
    assert ask(max_tokens=4).choices[0].message.content


def sixteen_at_once_are_all_answered():
    results = []

    def one(seed):
        results.append(collect(ask(stream=True, temperature=1, seed=seed)))

    threads = [threading.Thread(target=one, args=(seed,)) for seed in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 16 and all(len(reasons) == 1 for _, reasons, _ in results)


def tools_are_called_or_refused_by_name():
    """A model whose template knows no tools says so; one that does must call the tool that it has to."""
    tool = {"type": "function", "function": {"name": "pick", "parameters": {"type": "object", "properties": {}}}}
    try:
        answer = ask(tools=[tool], tool_choice="required", max_tokens=64)
    except openai.BadRequestError as error:
        assert error.code, error
        return
    choice = answer.choices[0]
    for call in choice.message.tool_calls or []:
        assert call.id.startswith("call_") and call.type == "function" and call.function.name == "pick", call
    assert choice.finish_reason in ("tool_calls", "stop", "length"), choice


def what_does_not_fit_a_request_is_named():
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    for options, code in (
        ({"tools": [{"type": "web_search"}]}, "tool_type_not_supported"),
        ({"messages": [{"role": "user", "content": [image]}]}, "image_not_fetched"),
        ({"messages": [{"role": "tool", "tool_call_id": "c", "content": "21"}]}, "invalid_request"),
        ({"extra_body": {"guided_regex": "a", "guided_json": {}}}, "invalid_request"),
    ):
        try:
            ask(**options)
        except openai.BadRequestError as error:
            assert error.code == code, (options, error)
        else:
            raise AssertionError(f"not refused: {options}")


def a_schema_holds_in_every_answer():
    schema = {
        "type": "object",
        "properties": {"name": {"enum": ["apple", "pear"]}, "ripe": {"type": "boolean"}},
        "required": ["name", "ripe"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "fruit", "strict": True, "schema": schema}}
    for seed in range(3):
        whole = ask(response_format=form, seed=seed, max_tokens=200).choices[0]
        assert whole.finish_reason == "stop", whole
        fruit = json.loads(whole.message.content)
        assert set(fruit) == {"name", "ripe"} and fruit["name"] in ("apple", "pear"), fruit
        text, _, _ = collect(ask(response_format=form, seed=seed, max_tokens=200, stream=True))
        assert text == whole.message.content, (text, whole)


def an_expression_holds_in_every_answer():
    answer = ask(extra_body={"guided_regex": "[ab]{3}"}, max_tokens=20).choices[0].message.content
    assert len(answer) == 3 and set(answer) <= set("ab"), answer


def embeddings_are_made_or_refused_by_name():
    try:
        made = client.embeddings.create(model=MODEL, input=["an apple", "a pear"])
    except openai.BadRequestError as error:
        assert error.code, error
        return
    assert [each.index for each in made.data] == [0, 1] and made.data[0].embedding, made


def main():
    skipped = {"ask", "collect", "refused", "main"}
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
    os.environ.setdefault("OPENAI_BASE_URL", "http://127.0.0.1:9999/v1")
    sys.exit(main())
