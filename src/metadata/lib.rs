//! metadata

pub mod image;

pub use image::Image;
