//! coordinator
pub mod records;
