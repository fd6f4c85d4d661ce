//! Configuration: every key of Apache Kafka 4.3.1, where its value comes from, and who may change it.
//!
//! Reading order: [`def`] (what a key is), [`defs`] (the tables), [`value`] (text to value and back), [`synonyms`],
//! [`properties`] and [`providers`] (the file), [`broker`] (a node's file, checked), [`listeners`], [`check`] (rules between
//! keys), [`effective`] (the file with the dynamic layers over it), [`describe`] (what DescribeConfigs shows), [`alter`]
//! (what a change must pass).
//!
//! Precedence, highest first: the topic's or group's own value, the dynamic value of this broker, the dynamic value of all
//! brokers, the file, the default.

pub mod alter;
pub mod broker;
mod check;
pub mod def;
pub mod defs;
pub mod describe;
#[cfg(test)]
mod describe_kafka;
#[cfg(test)]
mod docs_page;
pub mod effective;
mod error;
pub mod listeners;
pub mod properties;
pub mod providers;
mod settings;
pub mod shapes;
pub mod synonyms;
pub mod value;

pub use broker::{BrokerConfig, Source, StartError};
pub use def::{ConfigDef, Kind, Support, UpdateMode, Valid};
pub use defs::{Scope, find};
pub use effective::Effective;
pub use error::ConfigError;
pub use listeners::{Address, Listener, Listeners, SecurityProtocol};
pub use settings::Settings;
pub use value::{Value, parse_value};
