//! The walk over a request's body.

#![deny(clippy::indexing_slicing)]

use thiserror::Error;

use super::{Field, Kind, Message, message};
use crate::wire::WireError;

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Problem {
    #[error("the request ends too early")]
    Truncated,
    #[error("a length of {announced} does not fit into the {remaining} bytes that are left")]
    OutOfBounds { announced: i64, remaining: usize },
    #[error("null, where this version has no null")]
    Null,
    #[error("a variable-length integer of more than 32 bits")]
    OverlongVarint,
    #[error("the content of a tagged field is not as long as announced")]
    TagSize,
    #[error("so many elements in so few bytes are not decoded")]
    TooExpensive,
}

/// The most memory that a body of this size may decode to. Elements are counted with an upper estimate of their size, so
/// what is really allocated lies below.
pub fn memory_limit_bytes(body_bytes: usize) -> usize {
    16 * body_bytes + (1 << 20)
}

/// Checks that `body` begins with one whole request of this key and version, and says how many bytes follow it.
///
/// Kafka never looks at what follows, and clients rely on it: librdkafka 2.12 and newer ask for the metadata of all topics in
/// three bytes more than the message has.
pub fn check(key: i16, version: i16, body: &[u8]) -> Result<usize, WireError> {
    let message = message(key).ok_or(WireError::UnknownApiKey(key))?;
    if !(message.first..=message.last).contains(&version) {
        return Err(WireError::UnsupportedVersion { key, version });
    }
    let mut walk = Walk::new(message, version, body);
    walk.structure(message.fields)
        .map_err(|problem| WireError::Field {
            field: walk.field,
            problem,
        })?;
    Ok(walk.rest.len())
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    flexible: bool,
    /// What the message may still take in memory.
    budget_bytes: usize,
    /// Where we are, for the error.
    field: &'static str,
}

impl<'a> Walk<'a> {
    fn new(message: &Message, version: i16, body: &'a [u8]) -> Self {
        Self {
            rest: body,
            version,
            flexible: version >= message.flexible_from,
            budget_bytes: memory_limit_bytes(body.len()),
            field: "",
        }
    }

    fn structure(&mut self, fields: &[Field]) -> Result<(), Problem> {
        for field in fields {
            if field.tag.is_none() && field.is_in(self.version) {
                self.value(field)?;
            }
        }
        if self.flexible {
            self.tagged_fields(fields)
        } else {
            Ok(())
        }
    }

    fn value(&mut self, field: &Field) -> Result<(), Problem> {
        self.field = field.name;
        let nullable = self.version >= field.null_from;
        match field.kind {
            Kind::Struct(fields) => {
                if nullable && !self.presence()? {
                    return Ok(());
                }
                self.structure(fields)
            }
            Kind::List(element) => {
                let count = self.count(nullable)?;
                self.spend(count.saturating_mul(memory_of(element)))?;
                (0..count).try_for_each(|_| self.scalar(*element, false))
            }
            Kind::Rows(fields) => {
                let count = self.count(nullable)?;
                self.spend(count.saturating_mul(memory_of(&field.kind)))?;
                (0..count).try_for_each(|_| self.structure(fields))
            }
            scalar => self.scalar(scalar, nullable),
        }
    }

    fn scalar(&mut self, kind: Kind, nullable: bool) -> Result<(), Problem> {
        match kind {
            Kind::Fixed(len) => self.skip(len),
            Kind::Text if !self.flexible => {
                let announced = i16::from_be_bytes(self.array()?);
                self.bounded(announced.into(), nullable)
                    .and_then(|len| self.skip(len))
            }
            // Blobs; and strings, which look the same when they are compact.
            _ => self.count(nullable).and_then(|len| self.skip(len)),
        }
    }

    fn tagged_fields(&mut self, fields: &[Field]) -> Result<(), Problem> {
        let count = self.uvarint()?;
        let mut unknown = 0;
        for _ in 0..count {
            let tag = self.uvarint()?;
            let announced = self.uvarint()?;
            let len = self.bounded(announced.into(), false)?;
            let (content, behind) = self.rest.split_at_checked(len).ok_or(Problem::Truncated)?;
            self.rest = content;
            match fields
                .iter()
                .find(|f| f.tag == Some(tag) && f.is_in(self.version))
            {
                Some(field) => {
                    self.value(field)?;
                    if !self.rest.is_empty() {
                        return Err(Problem::TagSize);
                    }
                }
                None => unknown += 1,
            }
            self.rest = behind;
        }
        // Unknown fields are kept in a map: the first one costs a node of it.
        self.spend(if unknown > 0 { 512 + 96 * unknown } else { 0 })
    }

    /// The byte before a structure that may be null.
    fn presence(&mut self) -> Result<bool, Problem> {
        let [byte] = self.array()?;
        Ok(i8::from_be_bytes([byte]) >= 0)
    }

    /// The length of an array or a blob; null counts as empty.
    fn count(&mut self, nullable: bool) -> Result<usize, Problem> {
        let announced = if self.flexible {
            i64::from(self.uvarint()?) - 1
        } else {
            i32::from_be_bytes(self.array()?).into()
        };
        self.bounded(announced, nullable)
    }

    /// An element takes at least a byte, so no honest length or count is above the bytes that are left.
    fn bounded(&self, announced: i64, nullable: bool) -> Result<usize, Problem> {
        match usize::try_from(announced) {
            Ok(len) if len <= self.rest.len() => Ok(len),
            _ if announced == -1 && nullable => Ok(0),
            _ if announced == -1 => Err(Problem::Null),
            _ => Err(Problem::OutOfBounds {
                announced,
                remaining: self.rest.len(),
            }),
        }
    }

    fn uvarint(&mut self) -> Result<u32, Problem> {
        let mut value = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.array()?;
            if shift == 28 && byte > 0x0f {
                return Err(Problem::OverlongVarint);
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        Ok(value)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Problem> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(Problem::Truncated)?;
        self.rest = rest;
        Ok(*head)
    }

    fn skip(&mut self, len: usize) -> Result<(), Problem> {
        self.rest = self.rest.get(len..).ok_or(Problem::Truncated)?;
        Ok(())
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Problem> {
        self.budget_bytes = self
            .budget_bytes
            .checked_sub(bytes)
            .ok_or(Problem::TooExpensive)?;
        Ok(())
    }
}

/// What one element of an array takes in memory once decoded: texts and blobs are references into the request.
fn memory_of(kind: &Kind) -> usize {
    match kind {
        Kind::Fixed(len) => *len,
        Kind::Text | Kind::Blob => 40,
        Kind::List(_) => 24,
        Kind::Rows(fields) | Kind::Struct(fields) => {
            // The map of unknown fields, and the holes that alignment leaves.
            32 + fields.iter().map(memory_of_field).sum::<usize>()
        }
    }
}

fn memory_of_field(field: &Field) -> usize {
    match field.kind {
        Kind::Rows(_) => 24,
        kind => memory_of(&kind).next_multiple_of(8),
    }
}
