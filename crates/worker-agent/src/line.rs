//! From a program's raw output to log lines.

pub(crate) mod ansi;
mod level;
mod reading;
mod splitter;
mod spoken;
mod trace;

pub(crate) use self::{
    reading::{Reading, Source},
    splitter::Splitter,
    spoken::Spoken,
};

/// Maximum bytes of a log line's message.
pub(crate) const MAX_LINE: usize = 64 * 1024;
/// Bytes reserved for the note that says how much was cut.
const CUT_NOTE: usize = 64;

/// One line as the program wrote it, without its line end.
pub(crate) struct RawLine<'a> {
    /// The line, or its beginning.
    pub(crate) bytes: &'a [u8],
    /// Bytes of the line that are not in `bytes`.
    pub(crate) missing: u64,
    /// The last state of a line that the program has rewritten.
    pub(crate) rewritten: bool,
}

/// Text that every database takes: UTF-8 without control characters except tab and colours, at most [`MAX_LINE`] bytes. Other escape
/// sequences are removed. A longer text is cut, with a note of how many bytes of the original are missing.
pub(crate) fn clean(bytes: &[u8], missing: u64) -> String {
    let mut text = Cut { text: String::with_capacity(bytes.len().min(MAX_LINE)), taken: 0, taken_at_limit: 0, limit: 0 };
    let mut fits = true;
    for chunk in bytes.utf8_chunks() {
        let mut rest = chunk.valid();
        while fits && let Some(c) = rest.chars().next() {
            let sequence = (c == '\u{1b}').then(|| ansi::sequence(rest.as_bytes())).flatten();
            let width = sequence.as_ref().map_or(c.len_utf8(), |sequence| sequence.length);
            let (piece, after) = rest.split_at(width);
            fits = match sequence {
                Some(sequence) if sequence.is_style() => text.push(piece, width),
                Some(_) => text.push("", width),
                None if c.is_control() && c != '\t' => text.push(REPLACEMENT, width),
                None => text.push(piece, width),
            };
            rest = after;
        }
        fits = fits && (chunk.invalid().is_empty() || text.push(REPLACEMENT, chunk.invalid().len()));
        if !fits {
            break;
        }
    }
    text.finish(bytes.len() as u64 + missing)
}

const REPLACEMENT: &str = "\u{fffd}";

/// A text with a maximum length.
struct Cut {
    text: String,
    /// Bytes of the original in the text.
    taken: u64,
    /// The same, and the text's length, at the last point where a note still fits.
    taken_at_limit: u64,
    limit: usize,
}

impl Cut {
    /// Adds the text for `width` bytes of the original; `false` when it does not fit.
    fn push(&mut self, piece: &str, width: usize) -> bool {
        if self.text.len() + piece.len() > MAX_LINE {
            return false;
        }
        self.text.push_str(piece);
        self.taken += width as u64;
        if self.text.len() <= MAX_LINE - CUT_NOTE {
            (self.taken_at_limit, self.limit) = (self.taken, self.text.len());
        }
        true
    }

    fn finish(mut self, total: u64) -> String {
        if self.taken < total {
            self.text.truncate(self.limit);
            self.text.push_str(&format!(" … [{} bytes cut]", total - self.taken_at_limit));
        }
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_say_how_much_was_cut() {
        let exact = "x".repeat(MAX_LINE);
        assert_eq!(clean(exact.as_bytes(), 0), exact);
        let text = clean(exact.as_bytes(), 1000);
        assert!(text.len() <= MAX_LINE);
        assert!(text.ends_with(&format!("[{} bytes cut]", 1000 + CUT_NOTE)), "{}", &text[text.len() - 40..]);
        let wide = clean(&vec![0_u8; MAX_LINE], 0);
        assert!(wide.len() <= MAX_LINE);
        assert!(wide.contains("bytes cut"));
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        assert_eq!(clean(b"a\0b\xffc\td\x1bc", 0), "a\u{fffd}b\u{fffd}c\td\u{fffd}c");
    }

    #[test]
    fn colours_stay_and_other_sequences_go() {
        let text = "\u{1b}[1;31mERRO\u{1b}[0m \u{1b}[2K\u{1b}]0;title\u{7}x\u{1b}[";
        assert_eq!(clean(text.as_bytes(), 0), "\u{1b}[1;31mERRO\u{1b}[0m x\u{fffd}[");
        let coloured = "\u{1b}[31mx".repeat(MAX_LINE / 6 + 2);
        let cut = clean(coloured.as_bytes(), 0);
        assert!(cut.len() <= MAX_LINE && cut.contains("bytes cut"));
        assert_eq!(clean(cut.as_bytes(), 0), cut, "what was cleaned stays as it is");
    }
}
