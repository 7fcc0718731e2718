//! Headers made by hand, whole and broken.

use super::*;

/// Writes a file: keys with their typed values as bytes, tensors with shape (innermost first), type and offset.
fn file(keys: &[(&str, &[u8])], tensors: &[(&str, &[u64], u32, u64)], data: usize) -> Vec<u8> {
    let mut bytes = b"GGUF".to_vec();
    let text = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
    bytes.extend(3u32.to_le_bytes());
    bytes.extend((tensors.len() as u64).to_le_bytes());
    bytes.extend((keys.len() as u64).to_le_bytes());
    for (key, value) in keys {
        bytes.extend(text(key));
        bytes.extend_from_slice(value);
    }
    for (name, shape, kind, offset) in tensors {
        bytes.extend(text(name));
        bytes.extend((shape.len() as u32).to_le_bytes());
        shape.iter().for_each(|length| bytes.extend(length.to_le_bytes()));
        bytes.extend(kind.to_le_bytes());
        bytes.extend(offset.to_le_bytes());
    }
    bytes.resize(bytes.len().next_multiple_of(32) + data, 0);
    bytes
}

fn value(kind: u32, bytes: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes(), bytes].concat()
}

fn check(bytes: &[u8], expected: &str) {
    let said = Header::read(bytes).map_or_else(|error| error.to_string(), |_| "fine".to_owned());
    assert!(said.contains(expected), "{said}");
}

#[test]
fn values_and_tensors_are_found() {
    let list = [&9u32.to_le_bytes()[..], &5u32.to_le_bytes(), &2u64.to_le_bytes(), &[7, 0, 0, 0, 7, 0, 0, 0]]
        .concat();
    let text = value(8, &[&2u64.to_le_bytes()[..], b"hi"].concat());
    let keys: [(&str, &[u8]); 4] = [
        ("n", &value(4, &[9, 0, 0, 0])),
        ("list", &list),
        ("text", &text),
        ("x", &value(6, &1.5f32.to_le_bytes())),
    ];
    let bytes = file(&keys, &[("a", &[64, 3], 8, 0), ("b", &[5], 0, 224)], 244);
    let header = Header::read(&bytes).unwrap();
    assert_eq!((header.count("n"), header.count("list")), (Ok(Some(9)), Ok(Some(7))));
    assert_eq!((header.text("text"), header.number("x")), (Ok(Some("hi")), Ok(Some(1.5))));
    assert_eq!((header.text("none"), header.flag("none")), (Ok(None), Ok(None)));
    let a = header.tensor("a").unwrap();
    assert_eq!((a.dtype, a.shape.as_slice(), a.end - a.start), (Some(Dtype::Q8_0), [3, 64].as_slice(), 204));
    assert_eq!(header.tensor("b").unwrap().start, a.start + 224);
    assert!(header.text("n").is_err() && header.count("text").is_err() && header.flag("x").is_err());
}

#[test]
fn what_is_wrong_is_named() {
    check(b"GGML....", "begins with");
    check(b"GG", "ends at byte 2 within the first four bytes");
    check(&[b"GGUF".as_slice(), &9u32.to_le_bytes()].concat(), "version 9, expected 2 or 3");
    check(
        &file(&[("k", &value(9, &[&9u32.to_le_bytes()[..], &1u64.to_le_bytes()].concat()))], &[], 8),
        "type 9",
    );
    let long = [&0u32.to_le_bytes()[..], &(1u64 << 23).to_le_bytes()].concat();
    check(&file(&[("k", &value(9, &long))], &[], 0), "within a list");
    check(&file(&[("k", &value(8, &u64::MAX.to_le_bytes()))], &[], 0), "expected at most 16777216");
    check(&file(&[("general.alignment", &value(4, &[0; 4]))], &[], 0), "expected a power of two");
    check(&file(&[], &[("a", &[33], 8, 0)], 64), "a multiple of 32");
    check(&file(&[], &[("a", &[u64::MAX / 32 * 32, u64::MAX], 8, 0)], 64), "less than 2^63");
    check(&file(&[], &[("a", &[32], 0, 1)], 256), "a multiple of 32");
    check(&file(&[], &[("a", &[32], 0, 0)], 127), "within the");
    check(&file(&[], &[("a", &[32], 0, u64::MAX / 32 * 32)], 0), "within the");
    check(&file(&[], &[("a", &[0], 0, 0)], 0), "no length of 0");
    check(&file(&[], &[("a", &[1, 1, 1, 1, 1], 0, 0)], 64), "1 to 4");
    check(&file(&[], &[("a", &[32], 0, 0), ("b", &[4], 0, 96)], 128), "or later");
    check(&file(&[], &[("a", &[4], 0, 0), ("a", &[4], 0, 32)], 128), "expected once");
    check(&file(&[], &[("a", &[7], 17, 0)], 0), "fine");
}

#[test]
fn a_file_may_end_anywhere() {
    let text = value(8, &[&2u64.to_le_bytes()[..], b"hi"].concat());
    let whole = file(&[("text", &text)], &[("a", &[64, 3], 8, 0)], 204);
    assert!(Header::read(&whole).is_ok());
    for end in 0..whole.len() {
        assert!(Header::read(&whole[..end]).is_err(), "{end}");
    }
}
