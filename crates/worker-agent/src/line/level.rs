//! The level of a line, found where the loggers of the field write it: at its beginning, behind a time stamp, a logger's name or a
//! process's number, in brackets or between bars. Words inside a sentence are ignored.

mod word;

use domain::log::Level;

pub(super) use self::word::{level as of_word, of_number};

/// A level that a line names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) level: Level,
    /// Written as loggers do. `Error: text` is rather the text of an error.
    pub(super) by_logger: bool,
}

/// How far into a line its level is looked for, in bytes and fields.
const HEAD: usize = 300;
const FIELDS: usize = 10;

/// The level of a line without escape sequences.
pub(super) fn find(text: &str) -> Option<Found> {
    // Robot Framework writes a test's end behind its name.
    if text.trim_end().ends_with("| FAIL |") {
        return Some(Found { level: Level::Error, by_logger: true });
    }
    let head = &text[..text.floor_char_boundary(HEAD)];
    Scan { rest: head, stamped: false, first: true, names: 0, parted: true }.run()
}

/// Goes through the fields before the level.
struct Scan<'a> {
    rest: &'a str,
    /// There was a time stamp.
    stamped: bool,
    /// There was no field.
    first: bool,
    /// Words without a sign behind them, which may be a logger's name or the beginning of a sentence.
    names: usize,
    /// A sign such as `|` or a bracket is just before.
    parted: bool,
}

/// Role of a field.
enum Field {
    Level(Level, bool),
    /// Something that loggers write before a level.
    Before,
    /// The message has begun.
    Message,
}

impl Scan<'_> {
    fn run(mut self) -> Option<Found> {
        for _ in 0..FIELDS {
            self.skip_signs();
            let field = if self.rest.starts_with(['[', '<', '(', '{']) { self.group() } else { self.token() };
            match field {
                Field::Level(level, by_logger) => return Some(Found { level, by_logger }),
                Field::Before => self.first = false,
                Field::Message => return None,
            }
        }
        None
    }

    /// Blanks, and signs that stand alone.
    fn skip_signs(&mut self) {
        loop {
            let trimmed = self.rest.trim_start_matches(' ');
            let sign = trimmed.len() - trimmed.trim_start_matches(|c: char| is_sign(c)).len();
            let (signs, after) = trimmed.split_at(sign);
            // A hyphen before a word belongs to it.
            if sign == 0 || (signs.ends_with('-') && !after.starts_with([' ', '[']) && !after.is_empty()) {
                self.rest = trimmed;
                return;
            }
            (self.rest, self.parted) = (after, true);
        }
    }

    /// `[…]` and the like.
    fn group(&mut self) -> Field {
        let close = match self.rest.as_bytes().first() {
            Some(b'[') => ']',
            Some(b'<') => '>',
            Some(b'(') => ')',
            _ => '}',
        };
        let Some(end) = self.rest.find(close) else { return Field::Message };
        let (inner, after) = (&self.rest[1..end], &self.rest[end + 1..]);
        if self.names > 1 || (self.names > 0 && !self.stamped) {
            return Field::Message;
        }
        if let Some(level) = of_word(inner.trim()).or_else(|| within(inner).filter(|_| close == ']')) {
            return Field::Level(level, true);
        }
        self.stamped |= inner.split(' ').any(is_stamp);
        self.rest = after.strip_prefix(':').unwrap_or(after);
        self.parted = true;
        Field::Before
    }

    /// Characters up to a blank or a bar.
    fn token(&mut self) -> Field {
        let end = self.rest.find([' ', '\t', '|']).unwrap_or(self.rest.len());
        let (token, after) = self.rest.split_at(end);
        if token.is_empty() {
            return Field::Message;
        }
        let ends_parted = after.starts_with('\t') || after.trim_start().starts_with('|') || after.trim_start().starts_with("- ");
        let may_be_level = self.names == 0 || (self.stamped && self.names == 1);
        if may_be_level && let Some(field) = self.level(token, after, ends_parted) {
            return field;
        }
        if let Some((key, value)) = token.split_once('=') {
            return self.pair(key, value);
        }
        self.rest = after;
        self.name(token, ends_parted)
    }

    fn level(&self, token: &str, after: &str, ends_parted: bool) -> Option<Field> {
        let end = token.find(|c: char| !c.is_alphabetic()).unwrap_or(token.len());
        let (word, tail) = token.split_at(end);
        if word.is_empty() {
            return None;
        }
        if let Some(level) = word::of_glog(token) {
            return after.trim_start().split(' ').next().is_some_and(is_stamp).then_some(Field::Level(level, true));
        }
        let Some(level) = of_word(word) else { return self.behind_colon(token) };
        let capitals = word.chars().all(char::is_uppercase);
        let short = word.len() < 4;
        let ends = tail.is_empty() || tail.starts_with([':', '-', ',', ';', '[', '(', '+']);
        if capitals && ends && (!short || self.stamped) {
            return Some(Field::Level(level, true));
        }
        if short {
            return None;
        }
        if tail.starts_with(':') {
            let small = word.chars().all(char::is_lowercase) && level < Level::Error;
            return Some(Field::Level(level, small || self.stamped));
        }
        let between = tail.is_empty() && self.parted && ends_parted && (!self.first || !after.trim_start().starts_with('-'));
        between.then_some(Field::Level(level, true))
    }

    /// `root:ERROR:text`, and Python's `robot.py:3: UserWarning: text`.
    fn behind_colon(&self, token: &str) -> Option<Field> {
        if token.strip_suffix(':').is_some_and(|word| word.len() > 7 && word.ends_with("Warning")) {
            return Some(Field::Level(Level::Warning, false));
        }
        let mut parts = token.split(':');
        let (name, word) = (parts.next()?, parts.next()?);
        let capitals = word.len() > 3 && word.chars().all(char::is_uppercase);
        let level = of_word(word).filter(|_| capitals && self.first && is_name(name) && parts.next().is_some())?;
        Some(Field::Level(level, true))
    }

    /// `key=value` of logfmt.
    fn pair(&mut self, key: &str, value: &str) -> Field {
        if !is_name(key) || self.names > 0 {
            return Field::Message;
        }
        if word::is_key(key) {
            let word = value.trim_matches('"');
            return of_word(word.split(['+', '-']).next().unwrap_or(word)).map_or(Field::Message, |level| Field::Level(level, true));
        }
        let start = self.rest.find('=').map_or(self.rest.len(), |at| at + 1);
        let text = &self.rest[start..];
        let length = match text.strip_prefix('"') {
            Some(quoted) => quoted_length(quoted) + 1,
            None => text.find(' ').unwrap_or(text.len()),
        };
        self.rest = text.get(length..).unwrap_or_default();
        Field::Before
    }

    fn name(&mut self, token: &str, ends_parted: bool) -> Field {
        if is_stamp(token) {
            (self.stamped, self.parted) = (true, true);
            return Field::Before;
        }
        if word::is_of_time(token) {
            // `Nov 26 10:00:00`
            self.stamped |= token.len() == 3;
            return Field::Before;
        }
        if self.stamped && self.names == 0 && token.bytes().all(|byte| byte.is_ascii_digit()) {
            return Field::Before;
        }
        let bare = token.trim_end_matches(':');
        if !is_name(bare) {
            return Field::Message;
        }
        self.parted = ends_parted || bare.len() < token.len();
        let is_compound = self.stamped && bare.contains(['.', '_', ':', '/']);
        self.names += usize::from(!self.parted && !is_compound);
        if self.names > 1 || (self.names > 0 && !self.stamped) { Field::Message } else { Field::Before }
    }
}

/// The level in a group of several words: `[2026-11-26T10:00:00Z INFO robot]`, `[1126/100000.123:ERROR:file.cc(98)]`, `[core:error]`.
fn within(inner: &str) -> Option<Level> {
    let mut words = inner.split([' ', ':', '/', '|']).filter(|word| !word.is_empty());
    let (first, last) = (words.next()?, inner.rsplit([' ', ':', '/', '|']).next()?);
    if let Some(level) = of_word(last).filter(|_| is_name(first) && inner.split_once(':').is_some_and(|(_, word)| word == last)) {
        return Some(level);
    }
    if !inner.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    words.filter(|word| word.chars().all(char::is_uppercase)).find_map(of_word)
}

/// Length with the closing quote.
fn quoted_length(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().position(|byte| {
        let is_end = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        is_end
    });
    end.map_or(text.len(), |end| end + 1)
}

fn is_sign(c: char) -> bool {
    matches!(c, '|' | '-' | '*' | '#' | '>' | ':' | ',' | ';' | '\t') || (!c.is_ascii() && !c.is_alphabetic())
}

/// Names of loggers, threads, files and programs.
fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '$' | ':' | '@' | '#' | '<' | '>' | '[' | ']' | '\\');
    text.chars().any(char::is_alphabetic) && text.chars().all(fits)
}

/// A date, a time, both, or seconds since 1970.
fn is_stamp(text: &str) -> bool {
    let fits = |byte: u8| {
        byte.is_ascii_digit() || matches!(byte, b'-' | b':' | b'/' | b'.' | b',' | b'T' | b'Z' | b'+' | b'_' | b'A' | b'P' | b'M')
    };
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let is_whole = digits == text.len();
    text.as_bytes().first().is_some_and(u8::is_ascii_digit) && text.bytes().all(fits) && digits >= if is_whole { 8 } else { 3 }
}

#[cfg(test)]
mod tests;
