//! What a configuration key is: its type, default, allowed values, who may change it when, and whether Ottla obeys it.
//!
//! Every key is written down exactly once, in the tables of [`super::defs`]; DescribeConfigs, the checks of
//! AlterConfigs, the reading of `server.properties` and `docs/configs.md` all read those tables.

use std::fmt;

/// Type of a value, in Kafka's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Boolean,
    String,
    Int,
    Short,
    Long,
    Double,
    /// Comma-separated.
    List,
    /// Name of a Java class.
    Class,
    /// A string that is never shown.
    Password,
}

impl Kind {
    /// The name that Kafka's messages use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Boolean => "BOOLEAN",
            Self::String => "STRING",
            Self::Int => "INT",
            Self::Short => "SHORT",
            Self::Long => "LONG",
            Self::Double => "DOUBLE",
            Self::List => "LIST",
            Self::Class => "CLASS",
            Self::Password => "PASSWORD",
        }
    }
}

/// What holds when nobody sets the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Default {
    /// The key must be given.
    Required,
    /// No value at all; what that means is the key's own business.
    Null,
    Value(&'static str),
}

impl Default {
    pub const fn value(self) -> Option<&'static str> {
        match self {
            Self::Value(text) => Some(text),
            Self::Required | Self::Null => None,
        }
    }
}

/// Which values of the right type are allowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Valid {
    Any,
    AtLeast(i64),
    Between(i64, i64),
    BetweenDouble(f64, f64),
    OneOf(&'static [&'static str]),
    OneOfIgnoringCase(&'static [&'static str]),
    /// A list in which values that come again are dropped.
    Distinct,
    /// The same with at least one value.
    DistinctSome,
    /// The same of these values, empty allowed.
    ListOf(&'static [&'static str]),
    /// The same of these values, empty refused.
    SomeOf(&'static [&'static str]),
    /// Present but possibly empty.
    NonNull,
    NonEmpty,
    GzipLevel,
    /// `partition:broker` pairs or `*`.
    ThrottledReplicas,
    /// `latest`, `earliest` or `by_duration:` with an ISO 8601 duration.
    ShareOffsetReset,
    /// `id@host:port` entries.
    Voters,
    /// `host:port` entries.
    HostPorts,
}

impl fmt::Display for Valid {
    /// As Kafka's documentation writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => Ok(()),
            Self::AtLeast(low) => write!(f, "[{low},...]"),
            Self::Between(low, high) => write!(f, "[{low},...,{high}]"),
            Self::BetweenDouble(low, high) => write!(f, "[{low},...,{high}]"),
            Self::OneOf(names) | Self::ListOf(names) | Self::SomeOf(names) => {
                write!(f, "[{}]", names.join(", "))
            }
            Self::OneOfIgnoringCase(names) => write!(f, "(case insensitive) [{}]", names.join(", ")),
            Self::Distinct => f.write_str("any list"),
            Self::DistinctSome => f.write_str("non-empty list"),
            Self::NonNull => f.write_str("non-null string"),
            Self::NonEmpty => f.write_str("non-empty string"),
            Self::GzipLevel => f.write_str("[1,...,9] or -1"),
            Self::ThrottledReplicas => f.write_str("[partitionId]:[brokerId],[partitionId]:[brokerId],..."),
            Self::ShareOffsetReset => f.write_str("[latest, earliest, by_duration:PnDTnHnMn.nS]"),
            Self::Voters => f.write_str("{id}@{host}:{port},..."),
            Self::HostPorts => f.write_str("{host}:{port},..."),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importance {
    High,
    Medium,
    Low,
}

/// Who may change a key of a running broker (KIP-226). Topic, group and client-metrics keys are always [`Self::ClusterWide`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateMode {
    /// Only by a restart.
    ReadOnly,
    /// For one broker at a time.
    PerBroker,
    /// For one broker or for all.
    ClusterWide,
}

impl UpdateMode {
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::PerBroker => "per-broker",
            Self::ClusterWide => "cluster-wide",
        }
    }
}

/// Whether Ottla does what the key says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// Some room reads the value.
    Used,
    /// Checked, stored and described, but nothing reads it yet: a start with another value than the default says so.
    Accepted,
}

/// One configuration key.
#[derive(Clone, Copy, Debug)]
pub struct ConfigDef {
    pub name: &'static str,
    pub kind: Kind,
    pub default: Default,
    pub valid: Valid,
    pub importance: Importance,
    pub update_mode: UpdateMode,
    /// Kafka's own testing hooks: accepted, but not shown to clients.
    pub internal: bool,
    pub support: Support,
    /// One sentence of our own.
    pub doc: &'static str,
}

impl ConfigDef {
    /// Values of such keys are never told to anyone.
    pub const fn is_sensitive(&self) -> bool {
        matches!(self.kind, Kind::Password)
    }

    pub const fn is_read_only(&self) -> bool {
        matches!(self.update_mode, UpdateMode::ReadOnly)
    }

    pub const fn internal(self) -> Self {
        Self {
            internal: true,
            ..self
        }
    }
}

/// Writes a table of keys: `"name" Kind = default, valid, Importance UpdateMode Support, "doc";`
/// where the default is a string, `null` or `required`, and `internal` may stand after the support.
macro_rules! config_defs {
    ($(#[$meta:meta])* $table:ident:
     $($name:literal $kind:ident = $default:tt, $valid:expr,
       $importance:ident $mode:ident $support:ident $($internal:ident)?, $doc:literal;)*) => {
        $(#[$meta])*
        pub static $table: &[$crate::config::def::ConfigDef] = {
            #[allow(unused_imports)]
            use $crate::config::def::Valid::*;
            &[$($crate::config::def::ConfigDef {
                name: $name,
                kind: $crate::config::def::Kind::$kind,
                default: $crate::config::def::config_defs!(@default $default),
                valid: $valid,
                importance: $crate::config::def::Importance::$importance,
                update_mode: $crate::config::def::UpdateMode::$mode,
                internal: false,
                support: $crate::config::def::Support::$support,
                doc: $doc,
            }$(.$internal())?,)*]
        };
    };
    (@default null) => { $crate::config::def::Default::Null };
    (@default required) => { $crate::config::def::Default::Required };
    (@default $text:literal) => { $crate::config::def::Default::Value($text) };
}
pub(crate) use config_defs;
