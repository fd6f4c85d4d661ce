//! Loops around the pure machines. (Its owners replace this page.)

#[derive(Clone)]
pub struct ControllerHandle;

pub struct GroupCoordinator;
