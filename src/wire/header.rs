//! Request headers (versions 1 and 2) and response headers (0 and 1).
//!
//! Which version a header has follows from the API's key and version: 2 (and 1 for the answer) once the API's messages are
//! flexible. ApiVersions answers with header 0 for ever, since a client must be able to read the answer before it knows
//! what the broker speaks.

#![deny(clippy::indexing_slicing)]

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::StrBytes;

use super::{WireError, schema};

/// What stands before every request's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHeader {
    pub api_key: i16,
    pub api_version: i16,
    pub correlation_id: i32,
    pub client_id: Option<StrBytes>,
}

impl RequestHeader {
    /// Takes the header off the front of a frame. `flexible` tells whether a key and version have tagged fields.
    pub fn read(frame: &mut Bytes) -> Result<Self, WireError> {
        if frame.remaining() < 8 {
            return Err(WireError::Truncated);
        }
        let api_key = frame.get_i16();
        let api_version = frame.get_i16();
        let correlation_id = frame.get_i32();
        let client_id = read_nullable_string(frame)?;
        if is_flexible(api_key, api_version) {
            skip_tagged_fields(frame)?;
        }
        Ok(Self {
            api_key,
            api_version,
            correlation_id,
            client_id,
        })
    }
}

/// The header of the answer to a request.
pub fn response_header(api_key: i16, api_version: i16, correlation_id: i32) -> Bytes {
    let mut out = BytesMut::with_capacity(5);
    out.put_i32(correlation_id);
    if api_key != ApiKey::ApiVersions as i16 && is_flexible(api_key, api_version) {
        out.put_u8(0);
    }
    out.freeze()
}

/// Whether the messages of this key and version are in the compact, tagged form.
pub fn is_flexible(api_key: i16, api_version: i16) -> bool {
    schema::message(api_key).is_some_and(|message| api_version >= message.flexible_from)
}

fn read_nullable_string(frame: &mut Bytes) -> Result<Option<StrBytes>, WireError> {
    if frame.remaining() < 2 {
        return Err(WireError::Truncated);
    }
    let announced = frame.get_i16();
    if announced == -1 {
        return Ok(None);
    }
    let len = usize::try_from(announced).unwrap_or(usize::MAX);
    if len > frame.remaining() {
        return Err(WireError::OutOfBounds {
            announced: announced.into(),
            remaining: frame.remaining(),
        });
    }
    StrBytes::from_utf8(frame.split_to(len))
        .map(Some)
        .map_err(|_| WireError::NotUtf8)
}

fn skip_tagged_fields(frame: &mut Bytes) -> Result<(), WireError> {
    for _ in 0..read_uvarint(frame)? {
        read_uvarint(frame)?;
        let len = read_uvarint(frame)? as usize;
        if len > frame.remaining() {
            return Err(WireError::Truncated);
        }
        frame.advance(len);
    }
    Ok(())
}

fn read_uvarint(frame: &mut Bytes) -> Result<u32, WireError> {
    let mut value = 0u32;
    for shift in [0, 7, 14, 21, 28] {
        if !frame.has_remaining() {
            return Err(WireError::Truncated);
        }
        let byte = frame.get_u8();
        if shift == 28 && byte > 0x0f {
            return Err(WireError::OverlongVarint);
        }
        value |= u32::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(WireError::OverlongVarint)
}
