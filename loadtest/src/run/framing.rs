//! Where the body of an HTTP/1.1 answer ends, without I/O and without copying: what arrives goes in, pieces of the body
//! come out. `http` calls it for each read.

use super::broken::Broken;

/// How long a body is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// This many bytes are still to come.
    Length(u64),
    /// Chunks, as RFC 9112 section 7.1 has them.
    Chunked(Chunk),
    /// Whatever comes until the connection ends.
    UntilEnd,
}

/// Where in a chunked body the next byte stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    /// In the hex digits of a size; how many there were, and what they say.
    Size(u8, u64),
    /// Behind the size, up to the line feed.
    SizeEnd(u64),
    /// In the data, with this many bytes to come.
    Data(u64),
    /// Behind the data, up to the line feed.
    DataEnd,
    /// At the start of a line behind the last chunk.
    Trailer,
    /// Within such a line.
    TrailerLine,
    /// Behind everything.
    Over,
}

/// Hex digits that a size may have: more than 2⁶⁰ bytes are no chunk.
const SIZE_DIGITS_MAX: u8 = 15;

impl Framing {
    /// A chunked body from its start.
    pub(super) fn chunked() -> Self {
        Framing::Chunked(Chunk::Size(0, 0))
    }

    /// Whether the body is complete. One that lasts until the connection ends never is by itself.
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Framing::Length(0) | Framing::Chunked(Chunk::Over))
    }

    /// Takes the next bytes, hands over what belongs to the body, and says how many bytes were taken: all of them, unless
    /// the body ended before.
    pub(super) fn take(&mut self, bytes: &[u8], body: &mut impl FnMut(&[u8])) -> Result<usize, Broken> {
        match self {
            Framing::UntilEnd => {
                body(bytes);
                Ok(bytes.len())
            }
            Framing::Length(left) => {
                let count = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                if count > 0 {
                    body(&bytes[..count]);
                }
                *left -= count as u64;
                Ok(count)
            }
            Framing::Chunked(chunk) => chunk.take(bytes, body),
        }
    }
}

impl Chunk {
    fn take(&mut self, bytes: &[u8], body: &mut impl FnMut(&[u8])) -> Result<usize, Broken> {
        let mut at = 0;
        while at < bytes.len() && *self != Chunk::Over {
            if let Chunk::Data(left) = self {
                let count = (bytes.len() - at).min(usize::try_from(*left).unwrap_or(usize::MAX));
                body(&bytes[at..at + count]);
                *left -= count as u64;
                at += count;
                if *left == 0 {
                    *self = Chunk::DataEnd;
                }
                continue;
            }
            self.step(bytes[at])?;
            at += 1;
        }
        Ok(at)
    }

    /// One byte that is not data.
    fn step(&mut self, byte: u8) -> Result<(), Broken> {
        let next = match (&*self, byte) {
            (Chunk::Size(1.., size), b'\n') => Chunk::of_size(*size),
            (Chunk::Size(1.., size), b'\r' | b';' | b' ') => Chunk::SizeEnd(*size),
            (Chunk::Size(digits, size), _) => {
                let digit = char::from(byte).to_digit(16).filter(|_| *digits < SIZE_DIGITS_MAX);
                let digit = digit.ok_or(Broken::Garbled("the size of a chunk"))?;
                Chunk::Size(digits + 1, size * 16 + u64::from(digit))
            }
            (Chunk::SizeEnd(size), b'\n') => Chunk::of_size(*size),
            (Chunk::SizeEnd(size), _) => Chunk::SizeEnd(*size),
            (Chunk::DataEnd, b'\n') => Chunk::Size(0, 0),
            (Chunk::DataEnd, b'\r') => Chunk::DataEnd,
            (Chunk::DataEnd, _) => return Err(Broken::Garbled("the end of a chunk")),
            (Chunk::Trailer, b'\n') => Chunk::Over,
            (Chunk::Trailer, b'\r') => Chunk::Trailer,
            (Chunk::Trailer, _) => Chunk::TrailerLine,
            (Chunk::TrailerLine, b'\n') => Chunk::Trailer,
            (Chunk::TrailerLine, _) => Chunk::TrailerLine,
            (Chunk::Data(_) | Chunk::Over, _) => return Ok(()),
        };
        *self = next;
        Ok(())
    }

    fn of_size(size: u64) -> Chunk {
        if size == 0 { Chunk::Trailer } else { Chunk::Data(size) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(mut framing: Framing, pieces: &[&[u8]]) -> Result<(Vec<u8>, bool, usize), Broken> {
        let (mut body, mut taken) = (Vec::new(), 0);
        for piece in pieces {
            taken += framing.take(piece, &mut |bytes| body.extend_from_slice(bytes))?;
        }
        Ok((body, framing.is_over(), taken))
    }

    #[test]
    fn a_body_ends_where_its_head_says() {
        for (framing, bytes, expected) in [
            (Framing::Length(3), &b"abcdef"[..], (&b"abc"[..], true, 3)),
            (Framing::Length(3), b"ab", (b"ab", false, 2)),
            (Framing::UntilEnd, b"abc", (b"abc", false, 3)),
            (Framing::chunked(), b"3\r\nabc\r\n0\r\n\r\nHTTP", (b"abc", true, 13)),
            (Framing::chunked(), b"3;x=1\r\nabc\r\n2 \r\nde\r\n0\r\nA: b\r\n\r\n", (b"abcde", true, 31)),
            (Framing::chunked(), b"0a\r\n0123456789\r\n", (b"0123456789", false, 16)),
        ] {
            let (body, is_over, taken) = read(framing, &[bytes]).unwrap();
            assert_eq!((body.as_slice(), is_over, taken), expected, "{bytes:?}");
        }
    }

    #[test]
    fn what_is_no_chunk_is_named() {
        for bytes in [&b"x\r\n"[..], b"\r\n", b"1\r\nab\r\n", b"fffffffffffffffff\r\n"] {
            assert!(matches!(read(Framing::chunked(), &[bytes]), Err(Broken::Garbled(_))), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6), cut in 1usize..9) {
            let mut wire = Vec::new();
            for chunk in &chunks {
                wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                wire.extend_from_slice(chunk);
                wire.extend_from_slice(b"\r\n");
            }
            wire.extend_from_slice(b"0\r\n\r\n");
            let pieces: Vec<&[u8]> = wire.chunks(cut).collect();
            let (body, is_over, taken) = read(Framing::chunked(), &pieces).unwrap();
            prop_assert_eq!((body, is_over, taken), (chunks.concat(), true, wire.len()));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(Framing::chunked(), &[&bytes]);
        }
    }
}
