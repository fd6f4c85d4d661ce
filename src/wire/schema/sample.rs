//! Valid requests made from the tables, with the places of all their lengths, for tests.

#![allow(
    clippy::unwrap_used,
    reason = "only tests and the fuzzer are compiled with it"
)]

use std::cmp::Ordering;

use super::{Field, Kind, Message};

/// A body and where its lengths and counts stand.
pub struct Sample {
    pub body: Vec<u8>,
    pub lengths: Vec<Length>,
}

#[derive(Clone, Copy, Debug)]
pub struct Length {
    pub at: usize,
    pub form: Form,
    /// Whether null would be valid here.
    pub nullable: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Int16,
    Int32,
    /// Compact: one more than the length.
    Uvarint,
    /// The size of a tagged field, or the number of them.
    Plain,
}

/// A request with two elements in every array; with `nulls`, null wherever it is allowed.
pub fn sample(message: &Message, version: i16, nulls: bool) -> Sample {
    write(message, version, Contents::Some { nulls })
}

/// A request whose arrays at this depth have so many elements, which take as few bytes as can be; with `unknown`, every
/// structure has a tagged field that nobody knows.
pub fn crowd(message: &Message, version: i16, depth: usize, count: usize, unknown: bool) -> Vec<u8> {
    write(
        message,
        version,
        Contents::Crowd {
            depth,
            count,
            unknown,
        },
    )
    .body
}

#[derive(Clone, Copy)]
enum Contents {
    Some {
        nulls: bool,
    },
    Crowd {
        depth: usize,
        count: usize,
        unknown: bool,
    },
}

impl Contents {
    fn nulls(self) -> bool {
        matches!(self, Self::Some { nulls: true })
    }

    fn elements(self, at_depth: usize) -> usize {
        match self {
            Self::Some { .. } => 2,
            Self::Crowd { depth, count, .. } => match at_depth.cmp(&depth) {
                Ordering::Less => 1,
                Ordering::Equal => count,
                Ordering::Greater => 0,
            },
        }
    }

    fn text(self) -> &'static [u8] {
        match self {
            Self::Some { .. } => b"abc",
            Self::Crowd { .. } => b"",
        }
    }
}

fn write(message: &Message, version: i16, contents: Contents) -> Sample {
    let mut writer = Writer {
        out: Sample {
            body: Vec::new(),
            lengths: Vec::new(),
        },
        version,
        flexible: version >= message.flexible_from,
        contents,
        depth: 0,
    };
    writer.structure(message.fields);
    writer.out
}

struct Writer {
    out: Sample,
    version: i16,
    flexible: bool,
    contents: Contents,
    /// How many arrays are around this place.
    depth: usize,
}

impl Writer {
    fn structure(&mut self, fields: &[Field]) {
        let version = self.version;
        let (tagged, plain): (Vec<&Field>, Vec<&Field>) = fields
            .iter()
            .filter(|f| f.is_in(version))
            .partition(|f| f.tag.is_some());
        plain.iter().for_each(|field| self.value(field));
        if self.flexible {
            self.tagged_fields(tagged);
        }
    }

    fn tagged_fields(&mut self, mut tagged: Vec<&Field>) {
        if let Contents::Crowd { unknown, .. } = self.contents {
            let field: &[u8] = if unknown { &[1, 100, 0] } else { &[0] };
            return self.out.body.extend_from_slice(field);
        }
        tagged.sort_by_key(|field| field.tag);
        self.length(tagged.len(), Form::Plain, false);
        for field in tagged {
            self.out.body.push(u8::try_from(field.tag.unwrap()).unwrap());
            let mut inner = Writer {
                out: Sample {
                    body: Vec::new(),
                    lengths: Vec::new(),
                },
                // A tagged field that is null is one that is not sent.
                contents: Contents::Some { nulls: false },
                ..*self
            };
            inner.value(field);
            self.length(inner.out.body.len(), Form::Plain, false);
            let start = self.out.body.len();
            self.out.body.extend(inner.out.body);
            self.out
                .lengths
                .extend(inner.out.lengths.into_iter().map(|length| Length {
                    at: length.at + start,
                    ..length
                }));
        }
    }

    fn value(&mut self, field: &Field) {
        let nullable = self.version >= field.null_from;
        let null = nullable && self.contents.nulls();
        match field.kind {
            Kind::Struct(_) if null => self.out.body.push(0xff),
            Kind::Struct(fields) => {
                if nullable {
                    self.out.body.push(1);
                }
                self.structure(fields);
            }
            kind if null => self.null(kind),
            Kind::List(_) | Kind::Rows(_) => self.array(field.kind, nullable),
            kind => self.scalar(kind, nullable),
        }
    }

    fn array(&mut self, kind: Kind, nullable: bool) {
        let count = self.contents.elements(self.depth);
        self.length(count, self.count_form(), nullable);
        self.depth += 1;
        for _ in 0..count {
            match kind {
                Kind::Rows(fields) => self.structure(fields),
                Kind::List(element) => self.scalar(*element, false),
                _ => {}
            }
        }
        self.depth -= 1;
    }

    fn null(&mut self, kind: Kind) {
        let bytes: &[u8] = match kind {
            _ if self.flexible => &[0],
            Kind::Text => &[0xff; 2],
            _ => &[0xff; 4],
        };
        self.out.body.extend_from_slice(bytes);
    }

    fn scalar(&mut self, kind: Kind, nullable: bool) {
        match kind {
            Kind::Fixed(len) => self.out.body.extend(std::iter::repeat_n(1, len)),
            Kind::Text => {
                let form = if self.flexible { Form::Uvarint } else { Form::Int16 };
                let text = self.contents.text();
                self.length(text.len(), form, nullable);
                self.out.body.extend_from_slice(text);
            }
            _ => {
                let text = self.contents.text();
                self.length(text.len(), self.count_form(), nullable);
                self.out.body.extend_from_slice(text);
            }
        }
    }

    fn count_form(&self) -> Form {
        if self.flexible { Form::Uvarint } else { Form::Int32 }
    }

    fn length(&mut self, len: usize, form: Form, nullable: bool) {
        let at = self.out.body.len();
        self.out.lengths.push(Length { at, form, nullable });
        match form {
            Form::Int16 => self.out.body.extend(u16::try_from(len).unwrap().to_be_bytes()),
            Form::Int32 => self.out.body.extend(u32::try_from(len).unwrap().to_be_bytes()),
            Form::Uvarint => self.uvarint(len + 1),
            Form::Plain => self.uvarint(len),
        }
    }

    fn uvarint(&mut self, mut value: usize) {
        while value >= 0x80 {
            self.out.body.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.body.push(value as u8);
    }
}
