//! Valid requests made from the tables, with the places of all their lengths, for tests.

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
    let mut writer = Writer {
        out: Sample {
            body: Vec::new(),
            lengths: Vec::new(),
        },
        version,
        flexible: version >= message.flexible_from,
        nulls,
    };
    writer.structure(message.fields);
    writer.out
}

struct Writer {
    out: Sample,
    version: i16,
    flexible: bool,
    nulls: bool,
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
                nulls: false,
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
        let null = nullable && self.nulls;
        match field.kind {
            Kind::Struct(_) if null => self.out.body.push(0xff),
            Kind::Struct(fields) => {
                if nullable {
                    self.out.body.push(1);
                }
                self.structure(fields);
            }
            kind if null => self.null(kind),
            Kind::List(element) => {
                self.length(2, self.count_form(), nullable);
                self.scalar(*element, false);
                self.scalar(*element, false);
            }
            Kind::Rows(fields) => {
                self.length(2, self.count_form(), nullable);
                self.structure(fields);
                self.structure(fields);
            }
            kind => self.scalar(kind, nullable),
        }
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
                self.length(3, form, nullable);
                self.out.body.extend_from_slice(b"abc");
            }
            _ => {
                self.length(4, self.count_form(), nullable);
                self.out.body.extend_from_slice(b"data");
            }
        }
    }

    fn count_form(&self) -> Form {
        if self.flexible { Form::Uvarint } else { Form::Int32 }
    }

    fn length(&mut self, len: usize, form: Form, nullable: bool) {
        let at = self.out.body.len();
        self.out.lengths.push(Length { at, form, nullable });
        let value = u8::try_from(len).unwrap();
        match form {
            Form::Int16 => self.out.body.extend([0, value]),
            Form::Int32 => self.out.body.extend([0, 0, 0, value]),
            Form::Uvarint => self.out.body.push(value + 1),
            Form::Plain => {
                assert!(value < 0x80, "the sample's tagged fields are short");
                self.out.body.push(value);
            }
        }
    }
}
