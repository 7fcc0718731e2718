//! A small GGUF file of each kind of tokenizer, written by hand.

/// What goes behind a key.
enum Value<'a> {
    Number(u32),
    Float(f32),
    Text(&'a str),
    Texts(&'a [&'a str]),
    Floats(&'a [f32]),
    Numbers(&'a [i32]),
}

/// Numbers of the types in the format.
const U32: u32 = 4;
const I32: u32 = 5;
const F32: u32 = 6;
const TEXT: u32 = 8;
const LIST: u32 = 9;

/// Tensors: name, type of the numbers, lengths with the innermost first.
const TENSORS: &[(&str, u32, &[u64])] = &[
    ("token_embd.weight", 0, &[8, 4]),
    ("blk.0.attn_q.weight", 8, &[32, 2]),
    ("blk.0.ffn_down.weight", 1, &[8, 8]),
    ("rope_freqs.weight", 0, &[4]),
];
/// Where tensors begin, and as much is set aside for each.
const PLACE_BYTES: u64 = 256;

/// The files, by name.
pub(crate) fn all() -> Vec<(&'static str, Vec<u8>)> {
    let pieces = ("tokenizer.ggml.model", Value::Text("llama"));
    let words = ("tokenizer.ggml.model", Value::Text("gpt2"));
    vec![
        (
            "seed-pieces",
            file(
                "llama",
                vec![
                    pieces,
                    ("tokenizer.ggml.tokens", Value::Texts(&["<unk>", "<s>", "\u{2581}a", "<0x0A>"])),
                    ("tokenizer.ggml.scores", Value::Floats(&[0.0, 0.0, -1.0, -2.0])),
                    ("tokenizer.ggml.token_type", Value::Numbers(&[2, 3, 1, 6])),
                    ("tokenizer.ggml.bos_token_id", Value::Number(1)),
                ],
            ),
        ),
        (
            "seed-words",
            file(
                "qwen3",
                vec![
                    words,
                    ("tokenizer.ggml.pre", Value::Text("qwen2")),
                    ("tokenizer.ggml.tokens", Value::Texts(&["a", "b", "ab", "<|im_end|>"])),
                    ("tokenizer.ggml.token_type", Value::Numbers(&[1, 1, 1, 3])),
                    ("tokenizer.ggml.merges", Value::Texts(&["a b"])),
                    ("tokenizer.ggml.eos_token_id", Value::Number(3)),
                    (
                        "tokenizer.chat_template",
                        Value::Text("{% for m in messages %}{{ m.content }}{% endfor %}"),
                    ),
                ],
            ),
        ),
    ]
}

/// Header of a model of this architecture, with the zeros that its tensors are.
fn file(architecture: &str, more: Vec<(&str, Value<'_>)>) -> Vec<u8> {
    let own = |key: &str| format!("{architecture}.{key}");
    let counts = [
        ("embedding_length", 8),
        ("block_count", 1),
        ("attention.head_count", 2),
        ("attention.head_count_kv", 1),
        ("attention.key_length", 4),
        ("feed_forward_length", 8),
        ("context_length", 64),
    ];
    let mut keys = vec![("general.architecture".to_owned(), Value::Text(architecture))];
    keys.extend(counts.map(|(key, count)| (own(key), Value::Number(count))));
    keys.push((own("attention.layer_norm_rms_epsilon"), Value::Float(1e-5)));
    keys.extend(more.into_iter().map(|(key, value)| (key.to_owned(), value)));
    let mut bytes = b"GGUF\x03\0\0\0".to_vec();
    bytes.extend((TENSORS.len() as u64).to_le_bytes());
    bytes.extend((keys.len() as u64).to_le_bytes());
    for (key, value) in keys {
        text(&mut bytes, &key);
        write(&mut bytes, value);
    }
    for (index, (name, kind, shape)) in TENSORS.iter().enumerate() {
        text(&mut bytes, name);
        bytes.extend((shape.len() as u32).to_le_bytes());
        shape.iter().for_each(|length| bytes.extend(length.to_le_bytes()));
        bytes.extend(kind.to_le_bytes());
        bytes.extend((index as u64 * PLACE_BYTES).to_le_bytes());
    }
    // The data begin at the next multiple of 32.
    bytes.resize(bytes.len().next_multiple_of(32) + TENSORS.len() * PLACE_BYTES as usize, 0);
    bytes
}

fn write(bytes: &mut Vec<u8>, value: Value<'_>) {
    match value {
        Value::Number(number) => bytes.extend([U32, number].map(u32::to_le_bytes).concat()),
        Value::Float(number) => bytes.extend([F32, number.to_bits()].map(u32::to_le_bytes).concat()),
        Value::Text(value) => {
            bytes.extend(TEXT.to_le_bytes());
            text(bytes, value);
        }
        Value::Texts(values) => {
            list(bytes, TEXT, values.len());
            values.iter().for_each(|value| text(bytes, value));
        }
        Value::Floats(values) => {
            list(bytes, F32, values.len());
            values.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
        }
        Value::Numbers(values) => {
            list(bytes, I32, values.len());
            values.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
        }
    }
}

fn list(bytes: &mut Vec<u8>, kind: u32, length: usize) {
    bytes.extend([LIST, kind].map(u32::to_le_bytes).concat());
    bytes.extend((length as u64).to_le_bytes());
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}
