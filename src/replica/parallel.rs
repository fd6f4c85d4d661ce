//! Many partitions at once: each of them waits for the disk to sync a few small files, and a journal that is asked by several
//! threads commits for all of them together.

/// Threads at the most; they wait for the disk, not for a core.
const THREADS_MAX: usize = 16;
/// Below so many items per thread another thread costs more than it saves.
const ITEMS_PER_THREAD_MIN: usize = 4;

/// Does `work` for every item; in the order of the items only within a thread.
pub(super) fn for_each<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) {
    let threads = (items.len() / ITEMS_PER_THREAD_MIN).clamp(1, THREADS_MAX);
    if threads == 1 {
        items.iter().for_each(work);
        return;
    }
    let chunk = items.len().div_ceil(threads);
    std::thread::scope(|scope| {
        for items in items.chunks(chunk) {
            let work = &work;
            scope.spawn(move || items.iter().for_each(work));
        }
    });
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn every_item_is_worked_on_once() {
        for len in [0, 1, 7, 8, 63, 1000] {
            let items: Vec<AtomicUsize> = (0..len).map(|_| AtomicUsize::new(0)).collect();
            super::for_each(&items, |item| {
                item.fetch_add(1, Ordering::Relaxed);
            });
            assert!(
                items.iter().all(|item| item.load(Ordering::Relaxed) == 1),
                "{len} items"
            );
        }
    }
}
