//! The readers and the window, changed together: a reader that comes in between two events misses none.

use std::{collections::HashMap, sync::Arc};

use runtime::{
    Failure,
    events::{Event, Subscription},
};

use super::{filter::Filter, frame::Frame, reader::Reader, sight::Subject, window::Window};

/// The readers and the window.
pub(super) struct State {
    /// What ids begin with.
    origin: String,
    window: Window,
    readers: HashMap<u64, Entry>,
    callers: HashMap<String, usize>,
    next: u64,
    /// Whether the bus is read.
    pub(super) attached: bool,
    /// A subscription that the hub has not taken yet.
    pub(super) bus: Option<Subscription>,
}

struct Entry {
    reader: Arc<Reader>,
    caller: String,
}

/// Streams at once.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) all: usize,
    pub(super) per_caller: usize,
}

impl State {
    pub(super) fn new(origin: String, window: usize) -> Self {
        let window = Window::new(window);
        Self { origin, window, readers: HashMap::new(), callers: HashMap::new(), next: 0, attached: false, bus: None }
    }

    /// Adds a reader and begins its stream after `last`, the id of the last event that it has; returns its number.
    pub(super) fn add(&mut self, reader: Arc<Reader>, caller: String, last: Option<&str>, limits: Limits) -> Result<u64, Failure> {
        let detail = "the caller has too many streams of live events; close some";
        if self.callers.get(&caller).is_some_and(|count| *count >= limits.per_caller) {
            return Err(Failure::TooMany { detail, retry_after_s: 5 });
        }
        if self.readers.len() >= limits.all {
            return Err(Failure::Overloaded);
        }
        self.begin(&reader, last);
        let number = self.next;
        self.next += 1;
        *self.callers.entry(caller.clone()).or_default() += 1;
        self.readers.insert(number, Entry { reader, caller });
        Ok(number)
    }

    /// Changes what a reader asks for, and goes on after `last`.
    pub(super) fn ask(&self, reader: &Reader, filter: Filter, last: Option<&str>) {
        reader.ask(filter);
        self.begin(reader, last);
    }

    /// Sends what followed `last`, or a reset.
    fn begin(&self, reader: &Reader, last: Option<&str>) {
        let number = match last {
            None => Some(self.window.last()),
            Some(last) => last.strip_prefix(&self.origin).and_then(|rest| rest.strip_prefix('-')?.parse().ok()),
        };
        match number.and_then(|number| Some((number, self.window.after(number)?))) {
            Some((number, frames)) => {
                reader.offer(&Arc::new(Frame::open(&self.id(number))));
                frames.for_each(|frame| reader.offer(frame));
            }
            None => reader.offer(&Arc::new(Frame::reset(&self.id(self.window.last())))),
        }
    }

    pub(super) fn remove(&mut self, number: u64) {
        let Some(Entry { caller, .. }) = self.readers.remove(&number) else { return };
        if let Some(count) = self.callers.get_mut(&caller) {
            *count -= 1;
            if *count == 0 {
                self.callers.remove(&caller);
            }
        }
    }

    /// Nobody listens any more.
    pub(super) fn detach(&mut self) {
        self.attached = false;
        self.window.clear();
    }

    pub(super) fn readers(&self) -> impl Iterator<Item = &Arc<Reader>> {
        self.readers.values().map(|entry| &entry.reader)
    }

    /// Sends an event to the readers that it is for.
    pub(super) fn publish(&mut self, event: &Event, subject: Subject) {
        let origin = &self.origin;
        let frame = self.window.push(|number| Frame::event(&format!("{origin}-{number}"), event, subject));
        self.send(&frame);
    }

    /// Tells everybody that events are missing here.
    pub(super) fn reset(&mut self) {
        self.window.clear();
        self.send(&Arc::new(Frame::reset(&self.id(self.window.last()))));
    }

    /// Tells everybody that their stream lives.
    pub(super) fn alive(&self) {
        self.send(&Arc::new(Frame::alive(&self.id(self.window.last()))));
    }

    fn send(&self, frame: &Arc<Frame>) {
        self.readers().for_each(|reader| reader.offer(frame));
    }

    fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.origin)
    }
}
