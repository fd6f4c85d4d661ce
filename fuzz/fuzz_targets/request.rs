//! Every request by key and version: what passes the check decodes without a panic, and never takes more memory than the
//! check allows.
#![no_main]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use libfuzzer_sys::fuzz_target;
use ottla::wire::schema::every::through_kafka_protocol;
use ottla::wire::schema::{check, memory_limit_bytes, message, sample::sample};

/// Counts all bytes that are asked for. The fuzzer runs one input at a time.
struct Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: hands everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is the system allocator's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fuzz_target!(|data: &[u8]| {
    let [key, version, form, rest @ ..] = data else {
        return;
    };
    let (key, version) = (i16::from(*key), i16::from(*version));
    let body = match form % 4 {
        0 => rest.to_vec(),
        form => match message(key).filter(|m| (m.first..=m.last).contains(&version)) {
            Some(message) => changed(sample(message, version, form == 1).body, rest),
            None => return,
        },
    };
    let before = ALLOCATED.load(Ordering::Relaxed);
    let checked = check(key, version, &body);
    assert!(
        ALLOCATED.load(Ordering::Relaxed) - before < 256,
        "the check allocates"
    );
    if checked.is_err() {
        return;
    }
    let before = ALLOCATED.load(Ordering::Relaxed);
    if through_kafka_protocol(key, version, &body).is_none() {
        return;
    }
    // The helper copies the body once and writes it once more into a buffer that doubles as it grows.
    let copies = 8 * body.len() + 1024;
    let allocated = ALLOCATED.load(Ordering::Relaxed) - before;
    assert!(
        allocated <= memory_limit_bytes(body.len()) + copies,
        "{allocated} bytes for {}",
        body.len()
    );
});

/// The sample with bytes put over it and spliced into it: three bytes of input say where, how and what.
fn changed(mut body: Vec<u8>, changes: &[u8]) -> Vec<u8> {
    for change in changes.chunks_exact(3) {
        let (at, how, what) = (usize::from(change[0]), change[1], change[2]);
        let at = at % (body.len() + 1);
        match how % 4 {
            0 => body.insert(at, what),
            1 if at < body.len() => drop(body.remove(at)),
            2 => body.truncate(at),
            _ if at < body.len() => body[at] = what,
            _ => {}
        }
    }
    body
}
