//! Loops around the pure machines. (Its owners replace this page.)

pub mod format;
pub mod metadata_log;

#[derive(Clone)]
pub struct ControllerHandle;

pub struct GroupCoordinator;
