//! The last events, for clients that reconnect.

use std::{collections::VecDeque, sync::Arc};

use super::frame::Frame;

/// The last events by their numbers, which have no gaps.
pub(super) struct Window {
    most: usize,
    /// The number of the last event.
    last: u64,
    frames: VecDeque<Arc<Frame>>,
}

impl Window {
    pub(super) fn new(most: usize) -> Self {
        Self { most, last: 0, frames: VecDeque::new() }
    }

    /// The number of the last event.
    pub(super) const fn last(&self) -> u64 {
        self.last
    }

    /// Adds the event that `make` makes of its number.
    pub(super) fn push(&mut self, make: impl FnOnce(u64) -> Frame) -> Arc<Frame> {
        self.last += 1;
        if self.frames.len() >= self.most {
            self.frames.pop_front();
        }
        let frame = Arc::new(make(self.last));
        self.frames.push_back(frame.clone());
        frame
    }

    /// Forgets everything, because events are missing here: nobody can go on from before this.
    pub(super) fn clear(&mut self) {
        self.frames = VecDeque::new();
        self.last += 1;
    }

    /// The events after `number`; `None` when some of them are not kept, or it is none of this window's numbers.
    pub(super) fn after(&self, number: u64) -> Option<impl Iterator<Item = &Arc<Frame>>> {
        let missing = usize::try_from(self.last.checked_sub(number)?).ok()?;
        Some(self.frames.iter().skip(self.frames.len().checked_sub(missing)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window() -> Window {
        let mut window = Window::new(1_000);
        (1..=10_001).for_each(|number| {
            window.push(|given| {
                assert_eq!(given, number);
                Frame::alive(&given.to_string())
            });
        });
        window
    }

    fn ids(window: &Window, number: u64) -> Option<Vec<String>> {
        let id = |frame: &Arc<Frame>| String::from_utf8(frame.sse().to_vec()).unwrap().replace(": alive\nid: ", "").trim().to_owned();
        Some(window.after(number)?.map(id).collect())
    }

    #[test]
    fn what_followed_a_number_is_found_exactly_or_not_at_all() {
        let mut window = window();
        assert_eq!(ids(&window, 10_000).unwrap(), ["10001"]);
        let most = ids(&window, 9_001).unwrap();
        assert_eq!((most.len(), most[0].as_str(), most[999].as_str()), (1_000, "9002", "10001"));
        assert_eq!(ids(&window, 10_001).unwrap(), [""; 0]);
        assert_eq!([0, 9_000, 10_002, u64::MAX].map(|number| ids(&window, number)), [const { None }; 4]);
        window.clear();
        assert_eq!([9_001, 10_000, 10_001].map(|number| ids(&window, number)), [const { None }; 3], "events are missing after them");
        assert_eq!((window.last(), ids(&window, 10_002).unwrap().len()), (10_002, 0));
        window.push(|number| Frame::alive(&number.to_string()));
        assert_eq!(ids(&window, 10_002).unwrap(), ["10003"]);
    }
}
