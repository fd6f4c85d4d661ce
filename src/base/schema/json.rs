//! Messages as JSON, in the shape in which Apache Kafka's tools print them.
//!
//! Fields have Kafka's names (the Rust ones in camel case) and stand in the order of the schema. A field outside the
//! version is left out, and so is a tagged one that has its default. Ids are in Kafka's text form, bytes in base64.

use bytes::Bytes;

use super::Layout;
use crate::Uuid;
use crate::ids::uuid_to_string;

/// A type that can be written as JSON.
pub trait Json {
    fn write_json(&self, out: &mut String, layout: Layout);
}

/// The JSON of a whole message in one of its versions.
pub fn to_json<T: Json>(message: &T, version: i16) -> String {
    let mut out = String::new();
    message.write_json(&mut out, Layout::new(version, false));
    out
}

/// Writes the fields of an object one after the other.
pub struct JsonObject<'a> {
    out: &'a mut String,
    is_empty: bool,
}

impl<'a> JsonObject<'a> {
    pub fn begin(out: &'a mut String) -> Self {
        out.push('{');
        Self { out, is_empty: true }
    }

    /// `name` is the field's name in Rust.
    pub fn field<T: Json>(&mut self, name: &str, value: &T, layout: Layout) {
        if !self.is_empty {
            self.out.push(',');
        }
        self.is_empty = false;
        quote(&camel_case(name), self.out);
        self.out.push(':');
        value.write_json(self.out, layout);
    }

    pub fn end(self) {
        self.out.push('}');
    }
}

/// Appends `text` as a JSON string.
pub fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

fn camel_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut is_start_of_word = false;
    for c in name.trim_start_matches("r#").chars() {
        match c {
            '_' => is_start_of_word = true,
            c if is_start_of_word => {
                out.push(c.to_ascii_uppercase());
                is_start_of_word = false;
            }
            c => out.push(c),
        }
    }
    out
}

macro_rules! as_displayed {
    ($($type:ty)*) => {
        $(impl Json for $type {
            fn write_json(&self, out: &mut String, _: Layout) {
                out.push_str(&self.to_string());
            }
        })*
    };
}

as_displayed!(i8 i16 i32 i64 u16 u32 bool);

impl Json for f64 {
    fn write_json(&self, out: &mut String, _: Layout) {
        // As Java prints a double: always with a point.
        out.push_str(&format!("{self:?}"));
    }
}

impl Json for Uuid {
    fn write_json(&self, out: &mut String, _: Layout) {
        quote(&uuid_to_string(*self), out);
    }
}

impl Json for String {
    fn write_json(&self, out: &mut String, _: Layout) {
        quote(self, out);
    }
}

impl Json for Bytes {
    fn write_json(&self, out: &mut String, _: Layout) {
        quote(&base64(self), out);
    }
}

impl<T: Json> Json for Option<T> {
    fn write_json(&self, out: &mut String, layout: Layout) {
        match self {
            None => out.push_str("null"),
            Some(value) => value.write_json(out, layout),
        }
    }
}

impl<T: Json> Json for Vec<T> {
    fn write_json(&self, out: &mut String, layout: Layout) {
        out.push('[');
        for (n, value) in self.iter().enumerate() {
            if n > 0 {
                out.push(',');
            }
            value.write_json(out, layout);
        }
        out.push(']');
    }
}

/// Base64 as in RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut block = [0u8; 3];
        for (to, from) in block.iter_mut().zip(chunk) {
            *to = *from;
        }
        let bits = u32::from_be_bytes([0, block[0], block[1], block[2]]);
        for i in 0..4 {
            let index = (bits >> (18 - 6 * i)) & 0x3f;
            out.push(if i <= chunk.len() {
                char::from(ALPHABET[index as usize])
            } else {
                '='
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record_schema;

    record_schema! {
        struct Sample: versions 0..=1, flexible 0.. {
            topic_id: Uuid;
            name: Option<String>;
            parts: Vec<Part>;
            payload: Bytes;
            later: i32, versions 1..;
            tagged_one: i64 = -1, tag 0;
            tagged_two: Vec<i32>, tag 1;
        }

        struct Part {
            is_leader: bool;
            rate: f64;
        }
    }

    #[test]
    fn fields_stand_as_kafka_prints_them() {
        let sample = Sample {
            topic_id: Uuid::from_u128(1),
            name: Some("a\"b\n".to_owned()),
            parts: vec![Part {
                is_leader: true,
                rate: 2.0,
            }],
            payload: Bytes::from_static(b"ab"),
            later: 7,
            tagged_one: -1,
            tagged_two: vec![1, 2],
        };
        assert_eq!(
            to_json(&sample, 0),
            "{\"topicId\":\"AAAAAAAAAAAAAAAAAAAAAQ\",\"name\":\"a\\\"b\\n\",\
             \"parts\":[{\"isLeader\":true,\"rate\":2.0}],\"payload\":\"YWI=\",\"taggedTwo\":[1,2]}"
        );
        let json = to_json(&Sample::default(), 1);
        assert!(
            json.ends_with("\"name\":null,\"parts\":[],\"payload\":\"\",\"later\":0}"),
            "{json}"
        );
    }
}
