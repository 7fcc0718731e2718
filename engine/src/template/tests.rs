//! Templates as the `transformers` library renders them, and templates that misbehave.

use std::time::{Duration, UNIX_EPOCH};

use pomona_protocol::Role;
use serde_json::json;

use super::*;

fn template(source: &str) -> ChatTemplate {
    let config = json!({ "bos_token": "<s>", "eos_token": { "content": "</s>" } });
    ChatTemplate::from_parts(Some(source.to_owned()), &config)
}

fn check(source: &str, expected: Result<&str, &str>) {
    let messages = [Message::text(Role::System, "be brief"), Message::text(Role::User, " hi <b>\"ä\"</b> ")];
    let rendered = template(source).render(&Conversation::new(&messages)).map_err(|cause| match cause {
        Cause::Template { message } => message,
        other => other.to_string(),
    });
    assert_eq!(rendered, expected.map(str::to_owned).map_err(str::to_owned), "{source}");
}

#[test]
fn templates_render_as_the_transformers_library_renders_them() {
    check(
        "{{ bos_token }}{% for message in messages %}\n  {%- if message['role'] == 'user' %}\nU:{{ message.content.strip() }}{{ eos_token }}\n  {%- endif %}\n{% endfor %}\n{% if add_generation_prompt %}A:{% endif %}",
        Ok("<s>U:hi <b>\"ä\"</b></s>A:"),
    );
    check("{{ messages[1].content | tojson }}", Ok("\" hi <b>\\\"ä\\\"</b> \""));
    check("{{ messages[:1] | tojson }}", Ok("[{\"role\": \"system\", \"content\": \"be brief\"}]"));
    check("{{ {'a': [1, true]} | tojson(indent=2) }}", Ok("{\n  \"a\": [\n    1,\n    true\n  ]\n}"));
    check(
        "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
        Ok("2"),
    );
    check(
        "{% for m in messages %}{% if loop.index0 == 1 %}{% break %}{% endif %}{{ m.role }}{% endfor %}",
        Ok("system"),
    );
    check("{% if tools is defined %}x{% endif %}{{ messages[0]['role'].startswith('sys') }}", Ok("True"));
    check("{%- generation -%} a {%- endgeneration %}", Ok("a"));
}

#[test]
fn the_idioms_of_published_templates_work() {
    check(
        "{%- set ns = namespace(last=messages|length - 1) %}{% for m in messages[::-1] %}{% set at = (messages|length - 1) - loop.index0 %}{% if m.role == 'user' and m.content is string and not(m.content.startswith('x')) %}{% set ns.last = at %}{% endif %}{% endfor %}{{ ns.last }}",
        Ok("1"),
    );
    check("{{ 'a</t>\n\nb'.split('</t>')[-1].lstrip('\n') }}|{{ 'x\n'.rstrip('\n') }}", Ok("b|x"));
    check(
        "{% macro turn(m, last=false) %}{{ m.role|trim }}{{ '.' if last }}{% endmacro %}{% for m in messages %}{{ turn(m, loop.last) }}{% endfor %}",
        Ok("systemuser."),
    );
    check(
        "{% if messages[0].content is iterable and messages[0] is mapping %}y{% endif %}{% if 'brief' in messages[0].content %}in{% endif %}",
        Ok("yin"),
    );
    check(
        "{% if not date is defined %}{% if strftime_now is defined %}{% set date = strftime_now('%%') %}{% endif %}{% endif %}{{ date }}",
        Ok("%"),
    );
    check(
        "{% if tools is not none and tools %}t{% endif %}{{ messages[0].tool_calls or 'none' }}",
        Ok("none"),
    );
    check(
        "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 1) %}{{ raise_exception('x') }}{% endif %}{% endfor %}{{ messages[1:]|length }}",
        Ok("1"),
    );
    check(
        "{% set messages = messages[1:] %}{{ messages[0]['content'] | trim }}{{- '\n' }}  {%- if messages | selectattr('role', 'equalto', 'user') | list | length == 1 %} one{% endif %}",
        Ok("hi <b>\"ä\"</b>\n one"),
    );
    check(
        "{{ messages | map(attribute='role') | join(',') }}{{ {'b': 1}.items() | list | length }}{{ messages[0].get('role') }}",
        Ok("system,user1system"),
    );
}

#[test]
fn a_template_that_raises_says_why() {
    check("{{ raise_exception('roles must alternate') }}", Err("roles must alternate"));
}

#[test]
fn a_template_that_does_not_end_is_stopped() {
    let endless = "{% for a in range(10000) %}{% for b in range(10000) %}{% endfor %}{% endfor %}";
    check(endless, Err("it did not end within 10000000 instructions"));
}

#[test]
fn a_template_that_writes_without_end_is_stopped() {
    let flood = "{% for a in range(99999) %}{{ 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' * 4096 }}{% endfor %}";
    check(flood, Err("its output exceeds 33554432 bytes"));
}

#[test]
fn a_model_without_a_template_names_the_remedy() {
    let none = ChatTemplate::from_parts(None, &json!({}));
    let cause = none.render(&Conversation::new(&[])).unwrap_err();
    assert!(cause.to_string().contains("/v1/completions"), "{cause}");
}

#[test]
fn a_broken_template_fails_when_it_is_used() {
    let cause = template("{% if %}").render(&Conversation::new(&[])).unwrap_err();
    assert!(matches!(cause, Cause::Template { .. }));
}

#[test]
fn dates_are_written_as_python_writes_them() {
    let day = UNIX_EPOCH + Duration::from_secs(1_709_210_096);
    assert_eq!(python::strftime("%d %b %Y, %A %H:%M:%S %j%%", day), "29 Feb 2024, Thursday 12:34:56 %j%");
}

#[test]
fn of_several_templates_the_default_one_is_taken() {
    let several = json!([{ "name": "tools", "template": "T" }, { "name": "default", "template": "D" }]);
    assert_eq!(declared_templates(&json!({ "chat_template": several })).chat.as_deref(), Some("D"));
}
