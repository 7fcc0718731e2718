//! Templates with the constructs of published ones: tools, calls, thoughts, dates, roles.

use pomona_protocol::{AnswerForm, Effort, ModelId, Tool, ToolCall, ToolChoice};
use serde_json::json;

use super::*;
use pomona_protocol::Part;

fn template(source: &str) -> ChatTemplate {
    let config = json!({ "bos_token": "<s>", "eos_token": "</s>" });
    ChatTemplate::from_parts(Some(source.to_owned()), &config)
}

fn weather() -> Tool {
    Tool {
        name: "weather".to_owned(),
        description: Some("Tells it".to_owned()),
        parameters: Some(
            r#"{"type": "object", "properties": {"items": {"type": "array", "items": {"type": "string"}}, "day": {"type": "integer", "description": "Which"}}, "required": ["day"]}"#.to_owned(),
        ),
        strict: false,
    }
}

fn form() -> AnswerForm {
    AnswerForm { tools: vec![weather()], ..AnswerForm::default() }
}

/// A question, a thought, a call, its answer.
fn with_call() -> Vec<Message> {
    let call = ToolCall {
        id: "call_7".to_owned(),
        name: "weather".to_owned(),
        arguments: r#"{"day": 1}"#.to_owned(),
    };
    vec![
        Message::text(Role::System, "be brief"),
        Message::text(Role::User, "rain?"),
        Message { role: Role::Assistant, parts: vec![Part::Reasoning("hm".to_owned()), Part::Call(call)] },
        Message {
            role: Role::Tool,
            parts: vec![Part::Answers("call_7".to_owned()), Part::Text("no".to_owned())],
        },
    ]
}

fn render(source: &str, messages: &[Message], form: &AnswerForm) -> Result<String, String> {
    let model = ModelId::from("tiny");
    let conversation = Conversation {
        messages,
        form: Some(form),
        asked_ms: 1_709_210_096_000,
        sees: false,
        model: Some(&model),
    };
    template(source).render(&conversation).map_err(|cause| cause.to_string())
}

fn check(source: &str, expected: &str) {
    assert_eq!(render(source, &with_call(), &form()).as_deref(), Ok(expected), "{source}");
}

#[test]
fn templates_like_qwens_get_tools_calls_and_thoughts() {
    let source = r#"{%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- if messages[0].role == 'system' %}{{- messages[0].content + '\n\n' }}{%- endif %}
    {%- for tool in tools %}{{- tool | tojson }}{{- "\n" }}{%- endfor %}
{%- endif %}
{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>')) %}
        {%- set ns.multi_step_tool = false %}{%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.role == "assistant" %}
        {%- set reasoning_content = '' %}
        {%- if message.reasoning_content is string %}{%- set reasoning_content = message.reasoning_content %}
        {%- elif '</think>' in message.content %}{%- set reasoning_content = message.content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}{%- endif %}
        {%- if loop.index0 > ns.last_query_index %}{{- '<think>' + reasoning_content.strip('\n') + '</think>' }}{%- endif %}
        {%- for tool_call in message.tool_calls %}
            {%- if tool_call.function %}{%- set tool_call = tool_call.function %}{%- endif %}
            {{- '<tool_call>{"name": "' + tool_call.name + '", "arguments": ' }}
            {%- if tool_call.arguments is string %}{{- tool_call.arguments }}{%- else %}{{- tool_call.arguments | tojson }}{%- endif %}
            {{- '}</tool_call>' }}
        {%- endfor %}
    {%- elif message.role == "tool" %}
        {%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}{{- '<|im_start|>user' }}{%- endif %}
        {{- '<tool_response>' + message.content + '</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}{{- '<|im_end|>' }}{%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- 'A:' }}{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think></think>' }}{%- endif %}{%- endif %}"#;
    let tool = r#"{"type": "function", "function": {"name": "weather", "description": "Tells it", "parameters": {"type": "object", "properties": {"items": {"type": "array", "items": {"type": "string"}}, "day": {"type": "integer", "description": "Which"}}, "required": ["day"]}}}"#;
    let expected = |end: &str| {
        format!(
            "<|im_start|>system\nbe brief\n\n{tool}\n<think>hm</think><tool_call>{{\"name\": \"weather\", \"arguments\": {{\"day\": 1}}}}</tool_call><|im_start|>user<tool_response>no</tool_response><|im_end|>A:{end}"
        )
    };
    check(source, &expected(""));
    let quiet = AnswerForm { thinking: Some(false), ..form() };
    assert_eq!(render(source, &with_call(), &quiet), Ok(expected("<think></think>")));
    let offered = template(source).abilities();
    let all = Abilities { tools: true, thinking: true, thinking_switch: true, effort: false, images: false };
    assert_eq!(offered, all);
}

#[test]
fn templates_like_llamas_get_tools_dates_and_arguments() {
    let source = r#"{{- bos_token }}
{%- if custom_tools is defined %}{%- set tools = custom_tools %}{%- endif %}
{%- if not tools_in_user_message is defined %}{%- set tools_in_user_message = true %}{%- endif %}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}{%- set date_string = strftime_now("%d %b %Y") %}{%- else %}{%- set date_string = "26 Jul 2024" %}{%- endif %}
{%- endif %}
{%- if not tools is defined %}{%- set tools = none %}{%- endif %}
{%- if messages[0]['role'] == 'system' %}{%- set system_message = messages[0]['content']|trim %}{%- set messages = messages[1:] %}{%- else %}{%- set system_message = "" %}{%- endif %}
{{- "Today Date: " + date_string + "|" + system_message }}
{%- if tools_in_user_message and not tools is none %}
    {%- set first_user_message = messages[0]['content']|trim %}{%- set messages = messages[1:] %}
    {%- for t in tools %}{{- t | tojson(indent=4) }}{%- endfor %}{{- first_user_message }}
{%- endif %}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}{{- message['content'] | trim }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}{{- raise_exception("one at a time") }}{%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {{- '{"name": "' + tool_call.name + '", "parameters": ' }}{{- tool_call.arguments | tojson }}{{- "}" }}
    {%- elif message.role == "tool" or message.role == "ipython" %}
        {%- if message.content is mapping or message.content is iterable and message.content is not string %}{{- message.content | tojson }}{%- else %}{{- message.content }}{%- endif %}
    {%- endif %}
{%- endfor %}"#;
    let rendered = render(source, &with_call(), &form()).unwrap();
    assert!(
        rendered.starts_with("<s>Today Date: 29 Feb 2024|be brief{\n    \"type\": \"function\",\n"),
        "{rendered}"
    );
    assert!(
        rendered.ends_with("}rain?{\"name\": \"weather\", \"parameters\": {\"day\": 1}}no"),
        "{rendered}"
    );
    assert!(template(source).abilities().tools);
}

#[test]
fn templates_like_mistrals_get_ids_of_nine() {
    let source = r#"{%- if messages[0]["role"] == "system" %}{%- set loop_messages = messages[1:] %}{%- else %}{%- set loop_messages = messages %}{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
{%- for message in loop_messages | rejectattr("role", "equalto", "tool") | rejectattr("role", "equalto", "tool_results") | selectattr("tool_calls", "undefined") %}
    {%- if (message["role"] == "user") != (loop.index0 % 2 == 0) %}{{- raise_exception("roles must alternate") }}{%- endif %}
{%- endfor %}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}{%- if tools is not none and (message == user_messages[-1]) %}{{- "[AVAILABLE_TOOLS]" + (tools | length | string) }}{%- endif %}{{- message["content"] }}
    {%- elif message.tool_calls is defined and message.tool_calls is not none %}
        {{- "[TOOL_CALLS] [" }}
        {%- for tool_call in message.tool_calls %}
            {%- set out = tool_call.function|tojson %}{{- out[:-1] }}
            {%- if not tool_call.id is defined or tool_call.id|length != 9 %}{{- raise_exception("Tool call IDs should be alphanumeric strings with length 9!") }}{%- endif %}
            {{- ', "id": "' + tool_call.id + '"}' }}{%- if not loop.last %}{{- ", " }}{%- else %}{{- "]" + eos_token }}{%- endif %}
        {%- endfor %}
    {%- elif message["role"] == "tool" %}{{- '[TOOL_RESULTS]{"call_id": "' + message.tool_call_id + '"}' }}
    {%- endif %}
{%- endfor %}"#;
    let rendered = render(source, &with_call(), &form()).unwrap();
    let (_, id) = rendered.rsplit_once("call_id\": \"").unwrap();
    let id = id.strip_suffix("\"}").unwrap();
    assert_eq!(id.len(), 9);
    let call = format!(
        "[TOOL_CALLS] [{{\"name\": \"weather\", \"arguments\": {{\"day\": 1}}, \"id\": \"{id}\"}}]</s>"
    );
    assert_eq!(rendered, format!("[AVAILABLE_TOOLS]1rain?{call}[TOOL_RESULTS]{{\"call_id\": \"{id}\"}}"));
}

#[test]
fn templates_like_gpt_oss_get_effort_and_types_of_arguments() {
    let source = r#"{%- macro render_type(spec, required) -%}
    {%- if spec.type == "array" -%}{{- render_type(spec['items'], required) + "[]" -}}
    {%- elif spec.type == "integer" -%}number{%- elif spec.type is defined and spec.type is iterable and spec.type is not string -%}union{%- else -%}{{- spec.type -}}{%- endif -%}
{%- endmacro -%}
{%- macro render_tool(namespace_name, tools) -%}
    {%- for tool in tools %}{%- set tool = tool.function %}
        {{- "// " + tool.description + "\ntype " + tool.name + " = (_: {\n" }}
        {%- for param_name, param_spec in tool.parameters.properties.items() %}
            {%- if param_spec.description %}{{- "// " + param_spec.description + "\n" }}{%- endif %}
            {{- param_name }}{%- if param_name not in (tool.parameters.required or []) -%}{{- "?" }}{%- endif -%}{{- ": " }}{{- render_type(param_spec, tool.parameters.required or []) }}{{- ",\n" }}
        {%- endfor %}
        {{- "}) => any;" }}
    {%- endfor %}
{%- endmacro -%}
{%- if reasoning_effort is not defined %}{%- set reasoning_effort = "medium" %}{%- endif %}
{{- "Reasoning: " + reasoning_effort + "\n" }}{{- render_tool("functions", tools) }}
{%- set last_tool_call = namespace(name=none) %}
{%- for message in loop_messages or messages -%}
    {%- if message.role == 'assistant' -%}
        {%- if "content" in message and "<|channel|>analysis<|message|>" in message.content %}{{- raise_exception("channels in content") }}{%- endif %}
        {%- if "tool_calls" in message -%}
            {%- if message.content and message.thinking %}{{- raise_exception("both") }}{%- elif message.thinking %}{{- "<|channel|>analysis<|message|>" + message.thinking + "<|end|>" }}{%- endif %}
            {%- set tool_call = message.tool_calls[0] %}{%- if tool_call.function %}{%- set tool_call = tool_call.function %}{%- endif %}
            {{- " to=functions." + tool_call.name }}{{- tool_call.arguments|tojson }}{%- set last_tool_call.name = tool_call.name %}
        {%- endif -%}
    {%- elif message.role == 'tool' -%}{%- if last_tool_call.name is none %}{{- raise_exception("no call") }}{%- endif %}{{- "functions." + last_tool_call.name + "=" + message.name + message.content|tojson }}
    {%- endif -%}
{%- endfor -%}"#;
    let expected = "Reasoning: high\n// Tells it\ntype weather = (_: {\nitems?: string[],\n// Which\nday: number,\n}) => any;<|channel|>analysis<|message|>hm<|end|> to=functions.weather{\"day\": 1}functions.weather=weather\"no\"";
    let hard = AnswerForm { effort: Some(Effort::High), ..form() };
    assert_eq!(render(source, &with_call(), &hard).as_deref(), Ok(expected));
    let offered = template(source).abilities();
    assert!(offered.effort && offered.thinking && offered.tools && !offered.thinking_switch, "{offered:?}");
}

#[test]
fn a_system_message_that_has_no_place_goes_to_the_user() {
    let raises = "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}";
    let folds_itself = "{%- if messages[0]['role'] == 'system' -%}{%- set first_user_prefix = messages[0]['content'] + '\n\n' -%}{%- set loop_messages = messages[1:] -%}{%- else -%}{%- set first_user_prefix = '' -%}{%- set loop_messages = messages -%}{%- endif -%}{%- for message in loop_messages -%}{{ '<start_of_turn>' + message.role + '\n' + (first_user_prefix if loop.first else '') }}{{ message['content'] | trim }}{{ '<end_of_turn>\n' }}{%- endfor -%}";
    for (source, bos) in [(raises, "<s>"), (folds_itself, "")] {
        let rendered = render(source, &with_call()[..2], &AnswerForm::default());
        assert_eq!(
            rendered,
            Ok(format!("{bos}<start_of_turn>user\nbe brief\n\nrain?<end_of_turn>\n")),
            "{source}"
        );
    }
}

#[test]
fn what_a_template_has_no_place_for_is_refused_by_name() {
    let source = "{% for m in messages %}{{ m.content }}{% endfor %}";
    let refused = |messages: &[Message], form: &AnswerForm| render(source, messages, form).unwrap_err();
    let plain = AnswerForm::default();
    let tools = "tools: the chat template of model `tiny` has no place for tools";
    assert_eq!(refused(&with_call()[..2], &form()), tools);
    let calls = "messages: the chat template of model `tiny` has no place for calls of tools";
    assert_eq!(refused(&with_call(), &plain), calls);
    let none = AnswerForm { tool_choice: ToolChoice::None, ..form() };
    assert!(render(source, &with_call()[..2], &none).is_ok(), "tools that may not be called are not told");
    let image = pomona_protocol::Image { media_type: "image/png".to_owned(), base64: String::new() };
    let picture = [Message { role: Role::User, parts: vec![Part::Image(image)] }];
    assert_eq!(refused(&picture, &plain), "messages: model `tiny` takes no pictures; leave them out");
}

#[test]
fn of_several_templates_the_one_for_tools_is_used_for_tools() {
    let several = json!({ "chat_template": [
        { "name": "default", "template": "plain" },
        { "name": "tool_use", "template": "{{ tools | length }} tools" },
    ]});
    let template = ChatTemplate::from_sources(declared_templates(&several), &several);
    let (messages, form) = (with_call(), form());
    let conversation = |form| Conversation { form, ..Conversation::new(&messages[..1]) };
    assert_eq!(template.render(&conversation(Some(&form))).as_deref(), Ok("1 tools"));
    assert_eq!(template.render(&conversation(None)).as_deref(), Ok("plain"));
}

#[test]
fn json_is_written_as_python_writes_it() {
    let value = "{{ {'b': 'ä\u{1F34E}', 'a': [1, 2.5, none]} | tojson(";
    let check = |arguments: &str, expected: &str| {
        let source = format!("{value}{arguments}) }}}}");
        assert_eq!(render(&source, &[], &AnswerForm::default()).as_deref(), Ok(expected), "{arguments}");
    };
    check("", "{\"b\": \"ä\u{1F34E}\", \"a\": [1, 2.5, null]}");
    check("sort_keys=true, ensure_ascii=true", r#"{"a": [1, 2.5, null], "b": "\u00e4\ud83c\udf4e"}"#);
    check("separators=(',', ':'), ensure_ascii=false", "{\"b\":\"ä\u{1F34E}\",\"a\":[1,2.5,null]}");
}
