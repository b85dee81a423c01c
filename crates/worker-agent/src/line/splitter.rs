use memchr::memchr;

use super::{MAX_LINE, RawLine, ansi};

/// Cuts a stream of bytes into lines as a terminal shows them, with bounded memory: of a long line it keeps the beginning.
///
/// A carriage return ends a state of the line, which the next state replaces (progress bars); before a line end it has no effect. After a
/// cursor has gone up, ends of lines only take it down again, over lines that are replaced too (several bars at once).
#[derive(Default)]
pub(crate) struct Splitter {
    /// Bytes since the last carriage return.
    state: Text,
    /// The last state before it that shows something.
    replaced: Text,
    /// The byte before was a carriage return.
    returned: bool,
    rewritten: bool,
    /// Lines that the cursor is above the lowest.
    up: usize,
    /// Lines that the cursor went over on its way down, with how many were below each; the newest last.
    passed: Vec<(usize, Text)>,
}

#[derive(Default)]
struct Text {
    bytes: Vec<u8>,
    missing: u64,
}

/// Bars that a program keeps at once; more lines than these are lines of their own again.
const MAX_UP: usize = 50;

impl Splitter {
    /// Passes each line that ends in `chunk` to `each`.
    pub(crate) fn feed(&mut self, chunk: &[u8], mut each: impl FnMut(RawLine<'_>)) {
        let mut rest = chunk;
        while let Some(end) = memchr(b'\n', rest) {
            let (head, tail) = (&rest[..end], &rest[end + 1..]);
            let line = head.strip_suffix(b"\r").unwrap_or(head);
            if self.is_fresh() && memchr(b'\r', line).is_none() && memchr(ansi::ESC, line).is_none() {
                each(RawLine { bytes: line, missing: 0, rewritten: false });
            } else {
                self.keep(head);
                self.end_line(&mut each);
            }
            rest = tail;
        }
        self.keep(rest);
    }

    /// Passes on what is left without a line end.
    pub(crate) fn finish(&mut self, mut each: impl FnMut(RawLine<'_>)) {
        if self.state.is_empty() {
            self.end_passed(&mut each);
            return;
        }
        self.rewritten |= self.returned;
        self.up = 0;
        self.end_line(&mut each);
    }

    /// The newest state of a line that is being rewritten.
    pub(crate) fn live(&self) -> Option<&[u8]> {
        let rewritten = self.rewritten || self.returned || !self.passed.is_empty();
        let mut states = [&self.state, &self.replaced].into_iter().chain(self.passed.last().map(|(_, state)| state));
        states.find(|state| rewritten && !state.is_blank()).map(|state| state.bytes.as_slice())
    }

    fn is_fresh(&self) -> bool {
        self.state.is_empty() && !self.returned && self.up == 0 && self.passed.is_empty()
    }

    /// Adds bytes without a line end.
    fn keep(&mut self, mut bytes: &[u8]) {
        while let Some(end) = memchr(b'\r', bytes) {
            self.add(&bytes[..end]);
            self.returned = true;
            bytes = &bytes[end + 1..];
        }
        self.add(bytes);
    }

    fn add(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if std::mem::take(&mut self.returned) {
            self.rewritten = true;
            self.replace();
        }
        self.state.add(bytes);
    }

    /// Ends the state.
    fn replace(&mut self) {
        self.up = (self.up + ansi::lines_up(&self.state.bytes)).min(MAX_UP);
        if !self.state.is_blank() {
            std::mem::swap(&mut self.replaced, &mut self.state);
        }
        self.state.clear();
    }

    /// The cursor is at an end of line.
    fn end_line(&mut self, each: &mut impl FnMut(RawLine<'_>)) {
        self.up = (self.up + ansi::lines_up(&self.state.bytes)).min(MAX_UP);
        let shown = if self.state.is_blank() && !self.replaced.is_empty() { &mut self.replaced } else { &mut self.state };
        if self.up > 0 {
            if !shown.is_blank() {
                let passed = std::mem::take(shown);
                self.passed.retain(|(below, _)| *below != self.up);
                self.passed.push((self.up, passed));
            }
            self.up -= 1;
        } else {
            let line = std::mem::take(shown);
            self.end_passed(each);
            each(line.line(self.rewritten));
        }
        self.state.clear();
        self.replaced.clear();
        (self.returned, self.rewritten) = (false, false);
    }
}

impl Splitter {
    fn end_passed(&mut self, each: &mut impl FnMut(RawLine<'_>)) {
        self.passed.sort_by_key(|(below, _)| std::cmp::Reverse(*below));
        self.passed.drain(..).for_each(|(_, state)| each(state.line(true)));
    }
}

impl Text {
    fn add(&mut self, bytes: &[u8]) {
        let room = (MAX_LINE + 1).saturating_sub(self.bytes.len()).min(bytes.len());
        self.bytes.extend_from_slice(&bytes[..room]);
        self.missing += (bytes.len() - room) as u64;
    }

    const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn is_blank(&self) -> bool {
        self.missing == 0 && ansi::is_blank(&self.bytes)
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.missing = 0;
    }

    fn line(&self, rewritten: bool) -> RawLine<'_> {
        RawLine { bytes: &self.bytes, missing: self.missing, rewritten }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&[u8]]) -> Vec<(usize, u64)> {
        let (mut splitter, mut seen) = (Splitter::default(), Vec::new());
        for chunk in chunks {
            splitter.feed(chunk, |line| seen.push((line.bytes.len(), line.missing)));
        }
        splitter.finish(|line| seen.push((line.bytes.len(), line.missing)));
        seen
    }

    /// Lines with a mark at those that were rewritten; the same for every way to cut the text in two, and byte by byte.
    fn texts(text: &str) -> Vec<String> {
        let read = |chunks: &[&[u8]]| {
            let (mut splitter, mut seen) = (Splitter::default(), Vec::new());
            let mut each = |line: RawLine<'_>| {
                seen.push(format!("{}{}", if line.rewritten { "~" } else { "" }, String::from_utf8_lossy(line.bytes)));
            };
            chunks.iter().for_each(|chunk| splitter.feed(chunk, &mut each));
            splitter.finish(&mut each);
            seen
        };
        let bytes = text.as_bytes();
        let whole = read(&[bytes]);
        for cut in 0..bytes.len() {
            assert_eq!(read(&[&bytes[..cut], &bytes[cut..]]), whole, "{text:?} cut at {cut}");
        }
        assert_eq!(read(&bytes.chunks(1).collect::<Vec<_>>()), whole, "{text:?} byte by byte");
        whole
    }

    #[test]
    fn lines_cross_chunks() {
        assert_eq!(lines(&[b"ab\ncd", b"e\r\n\n", b"f"]), [(2, 0), (3, 0), (0, 0), (1, 0)]);
    }

    #[test]
    fn a_long_line_is_counted_not_kept() {
        let long = vec![b'x'; MAX_LINE];
        assert_eq!(lines(&[&long, &long, b"\nz\n"]), [(MAX_LINE + 1, MAX_LINE as u64 - 1), (1, 0)]);
        assert_eq!(lines(&[&long, b"\r\n"]), [(MAX_LINE, 0)]);
        assert_eq!(lines(&[&long, &long, b"\r\r\n"]), [(MAX_LINE + 1, MAX_LINE as u64 - 1)]);
    }

    #[test]
    fn the_last_state_of_a_line_is_the_line() {
        for (text, expected) in [
            ("a\r\nb\r\n", vec!["a", "b"]),
            ("a\r\r\n\r\nb", vec!["a", "", "b"]),
            ("\r 10%\r 50%\r100%\nfim\n", vec!["~100%", "fim"]),
            ("10%\r50%\r100%\r\nfim\n", vec!["~100%", "fim"]),
            ("10%\r50%\r100%", vec!["~100%"]),
            ("10%\r", vec!["~10%"]),
            ("a\r100%\r    \rfim\n", vec!["~fim"]),
            ("50%\r100%\r    \r\n", vec!["~100%"]),
            ("\r\x1b[2K 1/3\r\x1b[2K 3/3\r\x1b[2K\n", vec!["~\x1b[2K 3/3"]),
            ("\r\n\r\n", vec!["", ""]),
            ("  \n", vec!["  "]),
        ] {
            assert_eq!(texts(text), expected, "{text:?}");
        }
    }

    #[test]
    fn bars_above_each_other_are_states_too() {
        let both = |n: u32| format!("\n\r inner {n}\x1b[A\r outer {n}");
        let bars: String = (1..=100).map(both).collect();
        assert_eq!(texts(&format!("begin\n\r outer 0{bars}\nfim\n")), ["begin", "~ outer 0", "~ outer 100", "fim"]);
        assert_eq!(texts("a\nb\n\x1b[2A1\n2\n3\n"), ["a", "b", "~\x1b[2A1", "~2", "3"]);
    }

    #[test]
    fn the_newest_state_is_there_before_the_line_is() {
        let mut splitter = Splitter::default();
        let mut live = |chunk: &str| {
            splitter.feed(chunk.as_bytes(), |_| {});
            splitter.live().map(|state| String::from_utf8_lossy(state).into_owned())
        };
        assert_eq!(live("a line\nthe beginning of one"), None);
        assert_eq!(live("\r10%").as_deref(), Some("10%"));
        assert_eq!(live("\r").as_deref(), Some("10%"));
        assert_eq!(live("   \r").as_deref(), Some("10%"));
        assert_eq!(live("20%\r30").as_deref(), Some("30"));
        assert_eq!(live("%\nfim"), None);
    }
}
