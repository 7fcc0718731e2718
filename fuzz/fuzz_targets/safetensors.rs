//! The header of a weight file. An odd first byte puts the right length before the header and zeros behind it, as many
//! as the next two bytes say, which the fuzzer would never guess.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pomona_engine::checkpoint::bytes::safetensors;

fuzz_target!(|data: &[u8]| {
    let Some((&how, rest)) = data.split_first() else { return };
    let file = match rest.split_first_chunk::<2>() {
        Some((zeros, header)) if how & 1 == 1 => {
            let length = (header.len() as u64).to_le_bytes();
            let zeros = vec![0; usize::from(u16::from_le_bytes(*zeros))];
            [&length[..], header, &zeros].concat()
        }
        _ => rest.to_vec(),
    };
    match safetensors(&file) {
        Ok(mut tensors) => {
            tensors.sort_by_key(|tensor| (tensor.bytes.start, tensor.bytes.end));
            let mut next = None;
            for tensor in &tensors {
                assert!(next.is_none_or(|next| next == tensor.bytes.start), "a hole or an overlap");
                next = Some(tensor.bytes.end);
                let found =
                    file.get(tensor.bytes.clone()).expect("invariant: a tensor lies in its file").len();
                if let Some(dtype) = tensor.dtype {
                    let numbers: u64 = tensor.shape.iter().product();
                    assert_eq!(
                        found as u64,
                        numbers * dtype.block().1 as u64,
                        "not as many numbers as its shape says"
                    );
                }
            }
            assert!(next.is_none_or(|next| next == file.len()), "data behind the last tensor");
        }
        Err(error) => pomona_fuzz::sentence(&error, data),
    }
});
