//! How each type of field is read and written.

use bytes::Bytes;

use super::{Reader, Schema, SchemaError, Writer};
use crate::Uuid;

/// What the bytes of a field depend on besides its type.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    version: i16,
    flexible: bool,
    tagged: bool,
}

impl Layout {
    /// For messages that are read and written by hand.
    pub fn new(version: i16, flexible: bool) -> Self {
        Self {
            version,
            flexible,
            tagged: false,
        }
    }

    /// The layout of a whole message; refuses a version that the message does not have.
    pub fn of<S: Schema>(version: i16, flexible_from: &[i16]) -> Result<Self, SchemaError> {
        if version < S::VERSION_MIN || version > S::VERSION_MAX {
            let name = S::NAME;
            return Err(SchemaError::UnsupportedVersion { name, version });
        }
        let flexible = flexible_from.iter().any(|from| version >= *from);
        Ok(Self::new(version, flexible))
    }

    pub fn version(self) -> i16 {
        self.version
    }

    /// Compact lengths, and tagged fields behind each struct.
    pub fn is_flexible(self) -> bool {
        self.flexible
    }

    /// Whether the value itself is a tagged field's.
    pub fn is_tagged(self) -> bool {
        self.tagged
    }

    pub fn tagged(self) -> Self {
        Self { tagged: true, ..self }
    }

    /// For the parts of a value: only the value itself is the tagged field.
    pub fn inside(self) -> Self {
        Self {
            tagged: false,
            ..self
        }
    }
}

/// A type that can stand in a message.
pub trait Field: Sized {
    fn read(reader: &mut Reader<'_>, layout: Layout) -> Result<Self, SchemaError>;
    fn write(&self, writer: &mut Writer, layout: Layout) -> Result<(), SchemaError>;
}

/// A type that Kafka can call nullable: `Option` of it is a [`Field`] too.
pub trait NullableField: Sized {
    fn read_nullable(reader: &mut Reader<'_>, layout: Layout) -> Result<Option<Self>, SchemaError>;
    fn write_nullable(value: Option<&Self>, writer: &mut Writer, layout: Layout) -> Result<(), SchemaError>;
}

impl<T: NullableField> Field for Option<T> {
    fn read(reader: &mut Reader<'_>, layout: Layout) -> Result<Self, SchemaError> {
        T::read_nullable(reader, layout)
    }

    fn write(&self, writer: &mut Writer, layout: Layout) -> Result<(), SchemaError> {
        T::write_nullable(self.as_ref(), writer, layout)
    }
}

macro_rules! numbers {
    ($($type:ty)*) => {
        $(impl Field for $type {
            fn read(reader: &mut Reader<'_>, _: Layout) -> Result<Self, SchemaError> {
                reader.array().map(<$type>::from_be_bytes)
            }

            fn write(&self, writer: &mut Writer, _: Layout) -> Result<(), SchemaError> {
                writer.put(&self.to_be_bytes());
                Ok(())
            }
        })*
    };
}

numbers!(i8 i16 i32 i64 u16 u32 f64);

impl Field for bool {
    fn read(reader: &mut Reader<'_>, _: Layout) -> Result<Self, SchemaError> {
        Ok(reader.i8()? != 0)
    }

    fn write(&self, writer: &mut Writer, _: Layout) -> Result<(), SchemaError> {
        writer.i8(i8::from(*self));
        Ok(())
    }
}

impl Field for Uuid {
    fn read(reader: &mut Reader<'_>, _: Layout) -> Result<Self, SchemaError> {
        reader.uuid()
    }

    fn write(&self, writer: &mut Writer, _: Layout) -> Result<(), SchemaError> {
        writer.uuid(*self);
        Ok(())
    }
}

/// A type whose null has its own length is, where it may not be null, the same with null refused.
macro_rules! never_null {
    () => {
        fn read(reader: &mut Reader<'_>, layout: Layout) -> Result<Self, SchemaError> {
            Self::read_nullable(reader, layout)?.ok_or(SchemaError::UnexpectedNull)
        }

        fn write(&self, writer: &mut Writer, layout: Layout) -> Result<(), SchemaError> {
            Self::write_nullable(Some(self), writer, layout)
        }
    };
}

impl Field for String {
    never_null!();
}

impl NullableField for String {
    fn read_nullable(reader: &mut Reader<'_>, layout: Layout) -> Result<Option<Self>, SchemaError> {
        reader.nullable_string(layout)
    }

    fn write_nullable(value: Option<&Self>, writer: &mut Writer, layout: Layout) -> Result<(), SchemaError> {
        writer.nullable_string(value.map(String::as_str), layout)
    }
}

impl Field for Bytes {
    never_null!();
}

impl NullableField for Bytes {
    fn read_nullable(reader: &mut Reader<'_>, layout: Layout) -> Result<Option<Self>, SchemaError> {
        reader.nullable_bytes(layout)
    }

    fn write_nullable(value: Option<&Self>, writer: &mut Writer, layout: Layout) -> Result<(), SchemaError> {
        writer.nullable_bytes(value.map(AsRef::as_ref), layout)
    }
}

impl<T: Field> Field for Vec<T> {
    never_null!();
}

impl<T: Field> NullableField for Vec<T> {
    fn read_nullable(reader: &mut Reader<'_>, layout: Layout) -> Result<Option<Self>, SchemaError> {
        let Some(count) = reader.count(layout)? else {
            return Ok(None);
        };
        // Grows with the elements that are really there, not with the count.
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(T::read(reader, layout.inside())?);
        }
        Ok(Some(items))
    }

    fn write_nullable(value: Option<&Self>, writer: &mut Writer, layout: Layout) -> Result<(), SchemaError> {
        writer.length(value.map(Vec::len), layout, true)?;
        for item in value.into_iter().flatten() {
            item.write(writer, layout.inside())?;
        }
        Ok(())
    }
}

/// The tagged fields of one struct that differ from their defaults; they go out in the order of their tags.
#[derive(Debug, Default)]
pub struct TaggedFields {
    fields: Vec<(u32, Bytes)>,
}

impl TaggedFields {
    pub fn add<F: Field>(&mut self, tag: u32, value: &F, layout: Layout) -> Result<(), SchemaError> {
        let mut writer = Writer::new();
        value.write(&mut writer, layout)?;
        self.fields.push((tag, writer.into_bytes()));
        Ok(())
    }

    pub fn write(mut self, writer: &mut Writer) -> Result<(), SchemaError> {
        self.fields.sort_by_key(|(tag, _)| *tag);
        let too_long = |len: usize| move |_| SchemaError::TooLong(len);
        let count = self.fields.len();
        writer.uvarint(u32::try_from(count).map_err(too_long(count))?);
        for (tag, bytes) in self.fields {
            writer.uvarint(tag);
            writer.uvarint(u32::try_from(bytes.len()).map_err(too_long(bytes.len()))?);
            writer.put(&bytes);
        }
        Ok(())
    }
}
