//! What lies in a model folder: the fixtures of the engine, and small files of the same forms.

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::{gguf, root, write};

/// Largest file that is taken as it is, in bytes: the fuzzer learns nothing from weights.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Headers of `safetensors` files with the bytes of data behind them.
const HEADERS: &[(&str, usize)] = &[
    (r#"{"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}"#, 16),
    (
        r#"{"__metadata__":{"format":"pt"},"a":{"dtype":"BF16","shape":[3],"data_offsets":[0,6]},"b":{"dtype":"F16","shape":[],"data_offsets":[6,8]}}"#,
        8,
    ),
    (
        r#"{"a":{"dtype":"U8","shape":[0,5],"data_offsets":[0,0]},"b":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}}"#,
        4,
    ),
    (r#"{"a":{"dtype":"Q7","shape":[9],"data_offsets":[0,3]}}"#, 3),
];

/// Chat templates with the words that real ones use.
const TEMPLATES: &[&str] = &[
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    "{{ bos_token }}{%- for m in messages -%}{% if loop.index0 % 2 == 0 and m.role != 'user' %}{{ raise_exception('roles must alternate') }}{% endif %}[INST] {{ m.content | trim }} [/INST]{%- endfor -%}{{ eos_token }}",
    "{% set ns = namespace(found=false) %}{% for m in messages[::-1] %}{% if not ns.found and m.content.startswith('a') %}{% set ns.found = true %}{{ m.content.split('</think>')[-1].lstrip('\\n') | tojson(indent=2) }}{% endif %}{% endfor %}",
    "{% macro part(x, y=1) %}{{ x ~ y }}{% endmacro %}{{ part(strftime_now('%d %b %Y')) }}{% generation %}{{ messages | length }}{% endgeneration %}{{ messages | map(attribute='role') | join(',') }}",
];

/// Tokenizers of the kinds that there are, small.
const TOKENIZERS: &[&str] = &[
    r#"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[{"id":3,"content":"<s>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],"normalizer":{"type":"NFC"},"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],"pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":1}}],"special_tokens":{"<s>":{"id":"<s>","ids":[3],"tokens":["<s>"]}}},"decoder":{"type":"ByteLevel"},"model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,"end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false,"vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}}"#,
    r#"{"version":"1.0","added_tokens":[],"normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]},"pre_tokenizer":null,"post_processor":null,"decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]},"model":{"type":"BPE","unk_token":"<unk>","fuse_unk":true,"byte_fallback":true,"vocab":{"<unk>":0,"▁":1,"a":2,"<0x0A>":3},"merges":[["▁","a"]]}}"#,
    r###"{"version":"1.0","added_tokens":[],"normalizer":{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true},"pre_tokenizer":{"type":"BertPreTokenizer"},"post_processor":{"type":"BertProcessing","sep":["[SEP]",1],"cls":["[CLS]",2]},"decoder":{"type":"WordPiece","prefix":"##","cleanup":true},"model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,"vocab":{"[UNK]":0,"[SEP]":1,"[CLS]":2,"a":3,"##b":4}}}"###,
    r#"{"version":"1.0","added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true},"post_processor":null,"decoder":null,"model":{"type":"Unigram","unk_id":0,"byte_fallback":false,"vocab":[["<unk>",0.0],["▁a",-1.5],["b",-2.0]]}}"#,
    r#"{"version":"1.0","added_tokens":[],"normalizer":{"type":"Lowercase"},"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"\\p{N}{1,3}|[^\\r\\n\\p{L}]?\\p{L}+"},"behavior":"Isolated","invert":false},{"type":"Digits","individual_digits":true},{"type":"WhitespaceSplit"}]},"model":{"type":"WordLevel","vocab":{"a":0,"b":1},"unk_token":"a"}}"#,
];

pub(crate) fn write_all() -> io::Result<()> {
    for (index, (header, data)) in HEADERS.iter().enumerate() {
        let mut input = vec![1];
        input.extend_from_slice(&(*data as u16).to_le_bytes());
        input.extend_from_slice(header.as_bytes());
        write("safetensors", &format!("seed-{index}"), &input)?;
    }
    for (index, template) in TEMPLATES.iter().enumerate() {
        write("chat_template", &format!("seed-{index}"), template.as_bytes())?;
    }
    for (index, tokenizer) in TOKENIZERS.iter().enumerate() {
        write("tokenizer", &format!("seed-{index}"), tokenizer.as_bytes())?;
    }
    for (name, file) in gguf::all() {
        write("gguf", name, &file)?;
    }
    let engine = root().join("..").join("engine");
    let mut folders = folders(&engine.join("fixtures"))?;
    folders.push(engine.join("sprout").join("model"));
    for folder in folders {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        take(&folder, "config.json", "config", &name, &[])?;
        take(&folder, "tokenizer.json", "tokenizer", &name, &[])?;
        // The first byte says that the whole file follows.
        take(&folder, "model.safetensors", "safetensors", &name, &[0])?;
    }
    Ok(())
}

/// The folders in a folder, in order.
fn folders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    let mut folders: Vec<_> =
        entries.into_iter().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    Ok(folders)
}

/// Takes a file that is there and small, behind `before`.
fn take(folder: &Path, file: &str, target: &str, name: &str, before: &[u8]) -> io::Result<()> {
    let path = folder.join(file);
    match fs::metadata(&path) {
        Ok(known) if known.len() <= FILE_BYTES_MAX => {
            write(target, &format!("file-{name}"), &[before, &fs::read(path)?].concat())
        }
        _ => Ok(()),
    }
}
