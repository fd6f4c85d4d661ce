//! Requests in, answers out, by API key and version.

use bytes::{Bytes, BytesMut};
use kafka_protocol::protocol::{Decodable, Encodable};

use super::messages::{answered_as, encoded_as};
use super::{Body, WireError, schema};

/// A message that a request's body decodes to. Every type of kafka-protocol is one; `wire::messages` adds its own.
pub trait RequestBody: Sized {
    fn decode_body(key: i16, version: i16, body: &mut Bytes) -> Result<Self, WireError>;
}

impl<T: Decodable> RequestBody for T {
    fn decode_body(key: i16, version: i16, body: &mut Bytes) -> Result<Self, WireError> {
        T::decode(body, encoded_as(key, version)).map_err(|error| WireError::Malformed(error.to_string()))
    }
}

/// A message that an answer's body is made of; [`Body`] itself is one that is already encoded.
pub trait ResponseBody: Sized {
    fn encode_body(self, key: i16, version: i16) -> Result<Body, WireError>;
}

impl<T: Encodable> ResponseBody for T {
    fn encode_body(self, key: i16, version: i16) -> Result<Body, WireError> {
        let version = answered_as(key, version);

        let size = self
            .compute_size(version)
            .map_err(|error| WireError::Unencodable(error.to_string()))?;
        let mut bytes = BytesMut::with_capacity(size);
        Encodable::encode(&self, &mut bytes, version)
            .map_err(|error| WireError::Unencodable(error.to_string()))?;
        Ok(Body::from(bytes.freeze()))
    }
}

impl ResponseBody for Body {
    fn encode_body(self, _key: i16, _version: i16) -> Result<Body, WireError> {
        Ok(self)
    }
}

/// Decodes the body of a request. Its shape is checked first, so that no announced size is believed. What follows the
/// request is ignored, as Kafka does.
pub fn decode<R: RequestBody>(key: i16, version: i16, mut body: Bytes) -> Result<R, WireError> {
    schema::check(key, version, &body)?;
    R::decode_body(key, version, &mut body)
}

/// Encodes the body of an answer.
pub fn encode<R: ResponseBody>(key: i16, version: i16, response: R) -> Result<Body, WireError> {
    response.encode_body(key, version)
}
