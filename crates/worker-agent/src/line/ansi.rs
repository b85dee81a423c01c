//! Escape sequences of terminals (ECMA-48) in what programs write.

use std::borrow::Cow;

pub(super) const ESC: u8 = 0x1b;

/// An escape sequence at the beginning of a text.
pub(super) struct Sequence<'a> {
    pub(super) length: usize,
    /// Final byte and parameters of a control sequence (`ESC [ 31 m`); `None` for a title or a link.
    control: Option<(u8, &'a [u8])>,
}

impl Sequence<'_> {
    /// Colours and the like, which change no place.
    pub(super) const fn is_style(&self) -> bool {
        matches!(self.control, Some((b'm', _)))
    }
}

/// The sequence that `text`, which begins with ESC, begins with; `None` when it is none that programs write into lines, or no whole one.
pub(super) fn sequence(text: &[u8]) -> Option<Sequence<'_>> {
    match text.get(1)? {
        b'[' => {
            let length = text.iter().skip(2).position(|byte| !(0x20..=0x3f).contains(byte))? + 3;
            let last = text[length - 1];
            (0x40..=0x7e).contains(&last).then_some(Sequence { length, control: Some((last, &text[2..length - 1])) })
        }
        b']' => {
            let end = text.iter().position(|byte| matches!(byte, 0x07 | b'\\'))?;
            let ended = text[end] == 0x07 || text[end - 1] == ESC;
            ended.then_some(Sequence { length: end + 1, control: None })
        }
        _ => None,
    }
}

/// The text without escape sequences.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if !text.as_bytes().contains(&ESC) {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\u{1b}') {
        let (before, escaped) = rest.split_at(at);
        kept.push_str(before);
        let length = sequence(escaped.as_bytes()).map_or(1, |sequence| sequence.length);
        rest = escaped.get(length..).unwrap_or_default();
    }
    kept.push_str(rest);
    Cow::Owned(kept)
}

/// Whether nothing of it is seen on a terminal.
pub(super) fn is_blank(text: &[u8]) -> bool {
    let mut rest = text;
    while let Some(byte) = rest.first() {
        let length = match *byte {
            b' ' | b'\t' => 1,
            ESC => match sequence(rest) {
                Some(sequence) => sequence.length,
                None => return false,
            },
            _ => return false,
        };
        rest = &rest[length..];
    }
    true
}

/// How many lines the cursor goes up in it.
pub(super) fn lines_up(text: &[u8]) -> usize {
    let mut up = 0_usize;
    let mut rest = text;
    while let Some(at) = memchr::memchr(ESC, rest) {
        rest = &rest[at..];
        let length = match sequence(rest) {
            Some(Sequence { length, control: Some((b'A' | b'F', lines)) }) => {
                let lines = std::str::from_utf8(lines).unwrap_or_default();
                up = up.saturating_add(if lines.is_empty() { 1 } else { lines.parse().unwrap_or(0) });
                length
            }
            Some(sequence) => sequence.length,
            None => 1,
        };
        rest = &rest[length..];
    }
    up
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_read_through() {
        for (text, expected) in [
            ("a", "a"),
            ("\u{1b}[31mERRO\u{1b}[0m x", "ERRO x"),
            ("\u{1b}[38;5;196mé\u{1b}[m", "é"),
            ("\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{7}", "link"),
            ("\u{1b}[?25l\u{1b}[2K1/3", "1/3"),
            ("\u{1b}[31", "[31"),
            ("\u{1b}", ""),
        ] {
            assert_eq!(plain(text), expected, "{text:?}");
        }
        assert!(is_blank(b" \x1b[2K\t") && !is_blank(b"\x1b[31mx") && !is_blank(b"\x1b"));
        assert_eq!(lines_up(b"\x1b[A\x1b[2Ax\x1b[31m\x1b[99999999999999999999999A\x1b[F"), 4);
    }
}
