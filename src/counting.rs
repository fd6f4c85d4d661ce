//! The allocator of the tests: counts what a piece of code asks for, thread by thread.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static ALLOCATED_BYTES: Cell<usize> = const { Cell::new(0) };
}

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: every call is handed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    // SAFETY: as the trait asks of the caller.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that ends may allocate after its counter is gone.
        let _ = ALLOCATED_BYTES.try_with(|bytes| bytes.set(bytes.get() + layout.size()));
        // SAFETY: the caller's promise is the one that the system allocator asks for.
        unsafe { System.alloc(layout) }
    }

    // SAFETY: as the trait asks of the caller.
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is the one that the system allocator asks for.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// What `code` returns, and the bytes it asked for on this thread, freed or not.
pub fn allocated<R>(code: impl FnOnce() -> R) -> (R, usize) {
    let before = ALLOCATED_BYTES.get();
    let result = code();
    (result, ALLOCATED_BYTES.get() - before)
}
