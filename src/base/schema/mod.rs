//! Kafka's serialization as declarations: a message is written down once, as a struct with versions and tags, and
//! [`record_schema!`](crate::record_schema) gives it `decode` and `encode`.
//!
//! Three kinds of messages use it: the records of the metadata log, the records of the coordinators' topics, and the
//! requests and answers that the protocol crate lacks. What is read is never trusted: a length is checked against the bytes
//! that are there before it is believed, nothing is allocated by an announced size, and a bad byte is a [`SchemaError`].
//!
//! # Writing a schema
//!
//! ```
//! use ottla_base::schema::{Reader, Schema, SchemaError, Writer};
//! use ottla_base::{Uuid, record_schema};
//!
//! record_schema! {
//!     /// A message of its own says which versions exist, and from which on it is flexible (compact lengths, tagged fields).
//!     /// Without `flexible` it never is.
//!     pub struct Greeting: versions 0..=2, flexible 1.. {
//!         /// Every field has Kafka's default (zero, empty, null) unless it names another one.
//!         id: i32 = -1;
//!         name: Option<String>;                       // nullable string
//!         topics: Vec<GreetingTopic>;                 // array of structs
//!         /// A field outside its versions is not on the wire and has its default.
//!         mood: i8, versions 2..;
//!         /// A tagged field is on the wire only when it differs from its default.
//!         replicas: Option<Vec<i32>>, versions 1.., tag 0;
//!     }
//!
//!     /// A struct without `versions` is a part of others: it takes version and flexibility from the message it is in.
//!     pub struct GreetingTopic {
//!         topic_id: Uuid;
//!     }
//! }
//!
//! # fn main() -> Result<(), SchemaError> {
//! let greeting = Greeting { id: 7, mood: 1, ..Greeting::default() };
//! let mut writer = Writer::new();
//! greeting.encode(&mut writer, 2)?;
//! let bytes = writer.into_bytes();
//! assert_eq!(&bytes[..], &[0, 0, 0, 7, 0, 1, 1, 0]);
//! let mut reader = Reader::new(&bytes);
//! assert_eq!(Greeting::decode(&mut reader, 2)?, greeting);
//! reader.expect_end()?;
//! # Ok(())
//! # }
//! ```
//!
//! Types: `i8 i16 i32 i64 u16 u32 f64 bool Uuid String Bytes`, `Vec` of any of these or of a struct, a struct, and `Option` of
//! `String`, `Bytes`, `Vec` or a struct for what Kafka calls nullable. A nullable struct is a byte -1 or 1 before it, but a
//! varint 0 or 1 where it is the value of a tagged field; both are handled here.
//!
//! Unknown tagged fields are skipped. A non-default value in a field that the version lacks is left out in silence: whoever
//! chooses the version decides what may be lost.

mod field;
pub mod json;
mod reader;
mod writer;

pub use field::{Field, Layout, NullableField, TaggedFields};
pub use reader::Reader;
pub use writer::Writer;

/// Why bytes are not the message they claim to be, or a message cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    #[error("the bytes end before the message does")]
    Truncated,
    #[error("a varint is longer than its type")]
    OverlongVarint,
    #[error("length {0} is impossible here")]
    BadLength(i64),
    #[error("null where a value must stand")]
    UnexpectedNull,
    #[error("text that is not UTF-8")]
    NotUtf8,
    #[error("{name} has no version {version}")]
    UnsupportedVersion { name: &'static str, version: i16 },
    #[error("{0} bytes are left over")]
    LeftOver(usize),
    #[error("{0} bytes do not fit into the field's length")]
    TooLong(usize),
}

/// A message with versions of its own.
pub trait Schema: Sized {
    /// The message's name, for errors and dumps.
    const NAME: &'static str;
    const VERSION_MIN: i16;
    const VERSION_MAX: i16;

    /// Reads the message from the front of `reader`; what follows it is left there.
    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, SchemaError>;

    fn encode(&self, writer: &mut Writer, version: i16) -> Result<(), SchemaError>;
}

/// Declares messages and their parts: see [the module](crate::schema).
#[macro_export]
macro_rules! record_schema {
    () => {};
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident: versions $first:literal ..= $last:literal $(, flexible $flexible:literal ..)? { $($fields:tt)* }
        $($rest:tt)*
    ) => {
        $crate::record_schema!(@part $(#[$meta])* $vis struct $name { $($fields)* });

        impl $crate::schema::Schema for $name {
            const NAME: &'static str = stringify!($name);
            const VERSION_MIN: i16 = $first;
            const VERSION_MAX: i16 = $last;

            fn decode(
                reader: &mut $crate::schema::Reader<'_>,
                version: i16,
            ) -> ::core::result::Result<Self, $crate::schema::SchemaError> {
                let flexible_from: &[i16] = &[$($flexible)?];
                let layout = $crate::schema::Layout::of::<Self>(version, flexible_from)?;
                <Self as $crate::schema::Field>::read(reader, layout)
            }

            fn encode(
                &self,
                writer: &mut $crate::schema::Writer,
                version: i16,
            ) -> ::core::result::Result<(), $crate::schema::SchemaError> {
                let flexible_from: &[i16] = &[$($flexible)?];
                let layout = $crate::schema::Layout::of::<Self>(version, flexible_from)?;
                <Self as $crate::schema::Field>::write(self, writer, layout)
            }
        }

        $crate::record_schema!($($rest)*);
    };
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($fields:tt)* } $($rest:tt)*) => {
        $crate::record_schema!(@part $(#[$meta])* $vis struct $name { $($fields)* });
        $crate::record_schema!($($rest)*);
    };
    (
        @part $(#[$meta:meta])* $vis:vis struct $name:ident {
            $(
                $(#[$field_meta:meta])*
                $field:ident: $type:ty $(= $default:expr)? $(, versions $versions:expr)? $(, tag $tag:literal)?;
            )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        $vis struct $name { $($(#[$field_meta])* pub $field: $type,)* }

        impl ::core::default::Default for $name {
            fn default() -> Self {
                Self { $($field: $crate::record_schema!(@default $($default)?),)* }
            }
        }

        impl $crate::schema::Field for $name {
            fn read(
                reader: &mut $crate::schema::Reader<'_>,
                layout: $crate::schema::Layout,
            ) -> ::core::result::Result<Self, $crate::schema::SchemaError> {
                #[allow(unused_mut)]
                let mut value = Self::default();
                let _inner = layout.inside();
                $(
                    if $crate::record_schema!(@tag $($tag)?).is_none()
                        && $crate::record_schema!(@in_version layout $(, $versions)?)
                    {
                        value.$field = $crate::schema::Field::read(reader, _inner)?;
                    }
                )*
                if layout.is_flexible() {
                    reader.tagged_fields(|_tag, _field| {
                        $(
                            if $crate::record_schema!(@tag $($tag)?) == Some(_tag)
                                && $crate::record_schema!(@in_version layout $(, $versions)?)
                            {
                                value.$field = $crate::schema::Field::read(_field, layout.tagged())?;
                                return _field.expect_end();
                            }
                        )*
                        Ok(())
                    })?;
                }
                Ok(value)
            }

            fn write(
                &self,
                writer: &mut $crate::schema::Writer,
                layout: $crate::schema::Layout,
            ) -> ::core::result::Result<(), $crate::schema::SchemaError> {
                let _inner = layout.inside();
                $(
                    if $crate::record_schema!(@tag $($tag)?).is_none()
                        && $crate::record_schema!(@in_version layout $(, $versions)?)
                    {
                        $crate::schema::Field::write(&self.$field, writer, _inner)?;
                    }
                )*
                if layout.is_flexible() {
                    #[allow(unused_mut)]
                    let mut tagged = $crate::schema::TaggedFields::default();
                    $(
                        if let Some(tag) = $crate::record_schema!(@tag $($tag)?)
                            && $crate::record_schema!(@in_version layout $(, $versions)?)
                        {
                            let default: $type = $crate::record_schema!(@default $($default)?);
                            if self.$field != default {
                                tagged.add(tag, &self.$field, layout.tagged())?;
                            }
                        }
                    )*
                    tagged.write(writer)?;
                }
                Ok(())
            }
        }

        impl $crate::schema::json::Json for $name {
            fn write_json(&self, out: &mut ::std::string::String, layout: $crate::schema::Layout) {
                #[allow(unused_mut)]
                let mut object = $crate::schema::json::JsonObject::begin(out);
                let _layout = layout;
                $(
                    if $crate::record_schema!(@in_version layout $(, $versions)?) {
                        let default: $type = $crate::record_schema!(@default $($default)?);
                        if $crate::record_schema!(@tag $($tag)?).is_none() || self.$field != default {
                            object.field(stringify!($field), &self.$field, _layout);
                        }
                    }
                )*
                object.end();
            }
        }

        impl $crate::schema::NullableField for $name {
            fn read_nullable(
                reader: &mut $crate::schema::Reader<'_>,
                layout: $crate::schema::Layout,
            ) -> ::core::result::Result<Option<Self>, $crate::schema::SchemaError> {
                if reader.struct_is_present(layout)? {
                    <Self as $crate::schema::Field>::read(reader, layout).map(Some)
                } else {
                    Ok(None)
                }
            }

            fn write_nullable(
                value: Option<&Self>,
                writer: &mut $crate::schema::Writer,
                layout: $crate::schema::Layout,
            ) -> ::core::result::Result<(), $crate::schema::SchemaError> {
                writer.struct_presence(value.is_some(), layout);
                value.map_or(Ok(()), |value| $crate::schema::Field::write(value, writer, layout))
            }
        }
    };
    (@default) => { ::core::default::Default::default() };
    (@default $default:expr) => { $default };
    (@tag) => { ::core::option::Option::<u32>::None };
    (@tag $tag:literal) => { ::core::option::Option::<u32>::Some($tag) };
    (@in_version $layout:ident) => { true };
    (@in_version $layout:ident, $versions:expr) => { ($versions).contains(&$layout.version()) };
}

#[cfg(test)]
mod tests;
