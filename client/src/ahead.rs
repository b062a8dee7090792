//! An iterator that works ahead on a thread of its own, so that whoever consumes it has another core.

use std::{
    panic,
    sync::mpsc::{Receiver, sync_channel},
    thread::JoinHandle,
};

/// Items that are handed over at once: the handing over costs nothing beside them.
const CHUNK: usize = 512;
/// Chunks that wait: as much as one of the two sides may be faster for a moment.
const CHUNKS: usize = 4;

/// The items of another iterator, in its order.
pub struct Ahead<T> {
    chunks: Receiver<Vec<T>>,
    chunk: std::vec::IntoIter<T>,
    /// Until the last chunk has come.
    worker: Option<JoinHandle<()>>,
}

/// Lets `items` be made on another thread, at most some chunks ahead. It stops there when the result is dropped.
pub fn ahead<T: Send + 'static>(items: impl Iterator<Item = T> + Send + 'static) -> Ahead<T> {
    let (send, chunks) = sync_channel(CHUNKS);
    let worker = std::thread::spawn(move || {
        let mut items = items.peekable();
        while items.peek().is_some() {
            // Nobody waits any more.
            if send.send(items.by_ref().take(CHUNK).collect()).is_err() {
                return;
            }
        }
    });
    Ahead { chunks, chunk: Vec::new().into_iter(), worker: Some(worker) }
}

impl<T> Iterator for Ahead<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        loop {
            if let Some(item) = self.chunk.next() {
                return Some(item);
            }
            match self.chunks.recv() {
                Ok(chunk) => self.chunk = chunk.into_iter(),
                // The end, or a panic over there: a list that ends early must not look whole.
                Err(_) => match self.worker.take()?.join() {
                    Ok(()) => return None,
                    Err(panicked) => panic::resume_unwind(panicked),
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_comes_in_its_order() {
        for count in [0, 1, CHUNK, CHUNK + 1, 10 * CHUNK + 7] {
            assert!(ahead(0..count).eq(0..count), "{count}");
        }
    }

    #[test]
    fn a_reader_that_leaves_early_ends_the_work() {
        let first: Vec<u64> = ahead(0..).take(3).collect();
        assert_eq!(first, [0, 1, 2]);
    }

    #[test]
    #[should_panic(expected = "over there")]
    fn a_panic_over_there_is_no_end() {
        let items = (0..2 * CHUNK).inspect(|n| assert!(*n < CHUNK, "over there"));
        assert_eq!(ahead(items).count(), CHUNK);
    }
}
