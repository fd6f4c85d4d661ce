//! Assertions as errors, so that a failing step does not end the program.

use std::error::Error;
use std::fmt::Debug;
use std::time::{Duration, Instant};

pub type Outcome<T> = Result<T, Box<dyn Error>>;

pub const WAIT: Duration = Duration::from_secs(30);

pub fn equal<T: PartialEq + Debug>(what: &str, got: &T, want: &T) -> Outcome<()> {
    if got == want {
        return Ok(());
    }
    Err(format!("{what}: got {}, want {}", shorten(got), shorten(want)).into())
}

/// Repeats `attempt` until it says true.
pub fn wait_until(what: &str, mut attempt: impl FnMut() -> Outcome<bool>) -> Outcome<()> {
    let start = Instant::now();
    while !attempt()? {
        if start.elapsed() > WAIT {
            return Err(format!("not within {WAIT:?}: {what}").into());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn shorten(value: &impl Debug) -> String {
    let text = format!("{value:?}");
    match text.char_indices().nth(300) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
