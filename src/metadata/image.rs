//! The cluster's state. (Its owner replaces this page.)

pub struct Image;
