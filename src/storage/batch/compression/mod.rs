//! The codecs of Kafka's record batches, as streams: a batch is decompressed as it is read, never by its announced size.
//!
//! Every legal stream is accepted, whatever level or flags its writer chose; what is written has the framing that
//! Kafka's own clients write. Output is limited, so that a batch of a megabyte cannot become a gigabyte in memory.

#![deny(clippy::indexing_slicing)]

mod gzip;
mod limit;
mod lz4;
mod snappy;
mod zstd;

use std::io::{self, BufRead, Write};

use super::{BatchError, Codec};
use limit::Limited;
pub(crate) use lz4::repair_descriptor as repair_lz4_descriptor;

/// Decompressed bytes that are looked at in one go.
const BUFFER_BYTES: usize = 32 << 10;

/// A codec and how hard it should try. `None` is the codec's default level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compression {
    pub codec: Codec,
    pub level: Option<i32>,
}

impl Compression {
    pub const NONE: Self = Self::of(Codec::None);

    pub const fn of(codec: Codec) -> Self {
        Self { codec, level: None }
    }
}

/// A topic's `compression.type`: what the producer chose, or one codec for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CompressionType {
    #[default]
    Producer,
    Fixed(Compression),
}

impl CompressionType {
    /// What a batch that arrives with `source` is stored with.
    pub fn target(self, source: Codec) -> Compression {
        match self {
            Self::Producer => Compression::of(source),
            Self::Fixed(compression) => compression,
        }
    }
}

/// The decompressed bytes of `blob`, as they are asked for; reading past `bytes_max` of them is an error.
pub(crate) fn decoder(codec: Codec, blob: &[u8], bytes_max: usize) -> io::Result<Box<dyn BufRead + '_>> {
    Ok(match codec {
        Codec::None => Box::new(Limited::new(blob, bytes_max)),
        Codec::Gzip => Box::new(Limited::new(gzip::decoder(blob), bytes_max)),
        Codec::Snappy => Box::new(Limited::new(snappy::Decoder::new(blob), bytes_max)),
        Codec::Lz4 => Box::new(Limited::new(lz4::decoder(blob), bytes_max)),
        Codec::Zstd => Box::new(Limited::new(zstd::decoder(blob)?, bytes_max)),
    })
}

/// All of `blob`, decompressed.
pub fn decompress(codec: Codec, blob: &[u8], bytes_max: usize) -> Result<Vec<u8>, BatchError> {
    let mut out = Vec::new();
    decoder(codec, blob, bytes_max)
        .and_then(|mut stream| io::Read::read_to_end(&mut stream, &mut out))
        .map_err(|error| stream_error(&error))?;
    Ok(out)
}

/// Compresses everything that `from` gives.
pub fn compress(to: Compression, from: &mut dyn BufRead) -> Result<Vec<u8>, BatchError> {
    let compressed = match to.codec {
        Codec::None => copy_into(from, Vec::new()),
        Codec::Gzip => gzip::encode(to.level, from),
        Codec::Snappy => snappy::encode(from),
        Codec::Lz4 => lz4::encode(from),
        Codec::Zstd => zstd::encode(to.level, from),
    };
    compressed.map_err(|error| stream_error(&error))
}

fn copy_into<W: Write>(from: &mut dyn BufRead, mut to: W) -> io::Result<W> {
    io::copy(from, &mut to)?;
    Ok(to)
}

/// What a failed read of a decompressing stream says about the batch.
pub(crate) fn stream_error(error: &io::Error) -> BatchError {
    match limit::bytes_max(error) {
        Some(bytes_max) => BatchError::DecompressedTooLarge(bytes_max),
        None if error.kind() == io::ErrorKind::UnexpectedEof => BatchError::Truncated,
        None => BatchError::Decompress(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

    proptest! {
        #[test]
        fn every_codec_goes_both_ways(seed in proptest::collection::vec(any::<u8>(), 0..2000), repeat in 1usize..120) {
            let plain = seed.repeat(repeat);
            for codec in CODECS {
                let packed = compress(Compression::of(codec), &mut plain.as_slice()).unwrap();
                prop_assert_eq!(&decompress(codec, &packed, plain.len()).unwrap(), &plain);
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            for codec in CODECS {
                let _ = decompress(codec, &bytes, 1 << 20);
            }
        }

        #[test]
        fn damaged_streams_never_panic(at in 0usize..200, flip in 1u8.., cut in 0usize..200) {
            for codec in CODECS {
                let mut packed = compress(Compression::of(codec), &mut b"some records ".repeat(40).as_slice()).unwrap();
                let len = packed.len();
                packed[at % len] ^= flip;
                packed.truncate(len - cut % len);
                let _ = decompress(codec, &packed, 1 << 20);
            }
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let zeros = vec![0; 4 << 20];
        for codec in CODECS {
            let packed = compress(Compression::of(codec), &mut zeros.as_slice()).unwrap();
            assert_eq!(
                decompress(codec, &packed, 1 << 20),
                Err(BatchError::DecompressedTooLarge(1 << 20))
            );
        }
    }

    #[test]
    fn levels_are_taken() {
        let text = b"level ".repeat(2000);
        for (codec, level) in [
            (Codec::Gzip, 1),
            (Codec::Gzip, 9),
            (Codec::Zstd, -5),
            (Codec::Zstd, 19),
            (Codec::Lz4, 17),
        ] {
            let packed = compress(
                Compression {
                    codec,
                    level: Some(level),
                },
                &mut text.as_slice(),
            )
            .unwrap();
            assert_eq!(decompress(codec, &packed, text.len()).unwrap(), text);
        }
    }
}
