use super::{MAX_LINE, RawLine};

/// Cuts a stream of bytes into lines, with bounded memory: of a long line it keeps the beginning.
#[derive(Default)]
pub(crate) struct Splitter {
    partial: Vec<u8>,
    missing: u64,
}

impl Splitter {
    /// Gives each line that ends in `chunk` to `each`.
    pub(crate) fn feed(&mut self, chunk: &[u8], mut each: impl FnMut(RawLine<'_>)) {
        let mut rest = chunk;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (head, tail) = (&rest[..end], &rest[end + 1..]);
            if self.partial.is_empty() && self.missing == 0 {
                each(raw(head, 0));
            } else {
                self.keep(head);
                self.flush(&mut each);
            }
            rest = tail;
        }
        self.keep(rest);
    }

    /// Gives what is left without an end of line.
    pub(crate) fn finish(&mut self, mut each: impl FnMut(RawLine<'_>)) {
        if !self.partial.is_empty() {
            self.flush(&mut each);
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = (MAX_LINE + 1).saturating_sub(self.partial.len()).min(bytes.len());
        self.partial.extend_from_slice(&bytes[..room]);
        self.missing += (bytes.len() - room) as u64;
    }

    fn flush(&mut self, each: &mut impl FnMut(RawLine<'_>)) {
        each(raw(&self.partial, self.missing));
        self.partial.clear();
        self.missing = 0;
    }
}

/// Without the carriage return of a Windows line end.
fn raw(bytes: &[u8], missing: u64) -> RawLine<'_> {
    let bytes = if missing == 0 { bytes.strip_suffix(b"\r").unwrap_or(bytes) } else { bytes };
    RawLine { bytes, missing }
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

    #[test]
    fn lines_cross_chunks() {
        assert_eq!(lines(&[b"ab\ncd", b"e\r\n\n", b"f"]), [(2, 0), (3, 0), (0, 0), (1, 0)]);
    }

    #[test]
    fn a_long_line_is_counted_not_kept() {
        let long = vec![b'x'; MAX_LINE];
        assert_eq!(lines(&[&long, &long, b"\nz\n"]), [(MAX_LINE + 1, MAX_LINE as u64 - 1), (1, 0)]);
        assert_eq!(lines(&[&long, b"\r\n"]), [(MAX_LINE, 0)]);
    }
}
