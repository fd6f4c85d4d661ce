//! The shape of every request of Apache Kafka 4.3.1, and the check that a body has the shape it claims.
//!
//! kafka-protocol believes announced counts: it makes room for them before it has seen one element, so a hostile count
//! could end the process. Therefore [`check`] walks a body first, without allocating: every length and count lies within
//! the bytes that are left, every null stands where the version allows one, nothing follows the end, and what the decoded
//! message will take in memory stays within [`memory_limit_bytes`].
//!
//! The tables (`table_*.rs`) are data, written by `generate.py` from the JSON schemas in Kafka's clients jar.

mod check;
mod table_a;
mod table_b;
mod table_c;
mod table_d;
mod table_e;

#[cfg(any(test, fuzzing))]
pub mod every;
#[cfg(any(test, fuzzing))]
pub mod sample;
#[cfg(test)]
mod tests;

pub use check::{Problem, check, memory_limit_bytes};

/// No last version: the field is in every version from its first on.
const MAX: i16 = i16::MAX;

/// The shape of one request.
#[derive(Debug)]
pub struct Message {
    pub key: i16,
    pub name: &'static str,
    pub first: i16,
    pub last: i16,
    /// From this version on strings and arrays are compact and structures end in tagged fields.
    pub flexible_from: i16,
    fields: &'static [Field],
}

#[derive(Debug)]
struct Field {
    name: &'static str,
    first: i16,
    last: i16,
    kind: Kind,
    null_from: i16,
    tag: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// So many bytes.
    Fixed(usize),
    /// A string.
    Text,
    /// Bytes or records.
    Blob,
    /// An array of what is no structure.
    List(&'static Kind),
    /// An array of structures.
    Rows(&'static [Field]),
    Struct(&'static [Field]),
}

/// The shape of the request with this key, if Kafka 4.3.1 has one.
pub fn message(key: i16) -> Option<&'static Message> {
    let tables = [
        table_a::MESSAGES,
        table_b::MESSAGES,
        table_c::MESSAGES,
        table_d::MESSAGES,
        table_e::MESSAGES,
    ];
    let table = tables
        .into_iter()
        .find(|table| table.last().is_some_and(|last| key <= last.key))?;
    let index = table.binary_search_by_key(&key, |message| message.key).ok()?;
    table.get(index)
}

impl Field {
    const fn of(mut self, fields: &'static [Field]) -> Self {
        self.kind = match self.kind {
            Kind::Rows(_) => Kind::Rows(fields),
            _ => Kind::Struct(fields),
        };
        self
    }

    const fn null_from(mut self, version: i16) -> Self {
        self.null_from = version;
        self
    }

    const fn tagged(mut self, tag: u32) -> Self {
        self.tag = Some(tag);
        self
    }

    fn is_in(&self, version: i16) -> bool {
        (self.first..=self.last).contains(&version)
    }
}

impl Message {
    const fn of(mut self, fields: &'static [Field]) -> Self {
        self.fields = fields;
        self
    }
}

const fn new_message(key: i16, name: &'static str, first: i16, last: i16, flexible_from: i16) -> Message {
    Message {
        key,
        name,
        first,
        last,
        flexible_from,
        fields: &[],
    }
}

const fn field(name: &'static str, first: i16, last: i16, kind: Kind) -> Field {
    Field {
        name,
        first,
        last,
        kind,
        null_from: MAX,
        tag: None,
    }
}

const fn rows(name: &'static str, first: i16, last: i16) -> Field {
    field(name, first, last, Kind::Rows(&[]))
}

const fn record(name: &'static str, first: i16, last: i16) -> Field {
    field(name, first, last, Kind::Struct(&[]))
}
