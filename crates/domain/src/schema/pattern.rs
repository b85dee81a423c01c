//! Cost of matching a regular expression, estimated from its text: a pattern from outside must not be able to stall a process.

/// Factor for a pattern with look-around or back-references, which needs backtracking.
const BACKTRACKING: u64 = 1000;
/// Steps for a character of a class beyond ASCII: `.`, `[^x]`, `\p{L}`.
const WIDE: u64 = 8;

/// Worst-case steps per byte of text: the length of the pattern with its counted repetitions expanded.
pub(super) fn weight(pattern: &str) -> u64 {
    let mut sizes = Sizes::default();
    let mut rest = pattern.chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            '\\' => sizes.atom(if matches!(rest.next(), Some('p' | 'P')) { WIDE * WIDE } else { 1 }),
            '[' => sizes.atom(class(&mut rest)),
            '(' => sizes.open(),
            ')' => sizes.close(),
            '{' => {
                let inner: String = rest.by_ref().take_while(|character| *character != '}').collect();
                sizes.repeat(times(&inner));
            }
            '*' | '+' | '?' => sizes.repeat(2),
            '.' => sizes.atom(WIDE),
            _ => sizes.atom(1),
        }
    }
    let size = sizes.total().max(1);
    if is_backtracking(pattern) { size.saturating_mul(BACKTRACKING) } else { size }
}

/// The size of the class whose opening bracket has been read.
fn class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> u64 {
    let mut size = if rest.peek() == Some(&'^') { WIDE } else { 1 };
    while let Some(next) = rest.next() {
        match next {
            ']' => break,
            '\\' if matches!(rest.next(), Some('p' | 'P')) => size = WIDE * WIDE,
            _ => {}
        }
    }
    size
}

/// How often `{n}`, `{n,}` or `{n,m}` repeats the expression before it.
fn times(inner: &str) -> u64 {
    let largest = inner.split(',').filter_map(|bound| bound.trim().parse::<u64>().ok()).max();
    largest.map_or(1, |most| most.saturating_add(1))
}

/// Whether a linear-time engine cannot match it. Unknown syntax counts as backtracking.
fn is_backtracking(pattern: &str) -> bool {
    let group = |(at, _): (usize, &str)| {
        let after = &pattern[at + 2..];
        let is_named = after.starts_with('<') && !after.starts_with("<=") && !after.starts_with("<!");
        !after.starts_with(':') && !is_named
    };
    let escape = |(at, _): (usize, &str)| pattern[at + 1..].starts_with(|next: char| matches!(next, '1'..='9' | 'k' | 'K' | 'g' | 'G'));
    pattern.match_indices("(?").any(group)
        || pattern.match_indices('\\').any(escape)
        || ["++", "*+", "?+", "}+"].iter().any(|possessive| pattern.contains(possessive))
}

/// Sizes of the open groups, outermost first, each with the size of its last part.
struct Sizes(Vec<(u64, u64)>);

impl Default for Sizes {
    fn default() -> Self {
        Self(vec![(0, 0)])
    }
}

impl Sizes {
    fn atom(&mut self, size: u64) {
        if let Some((total, last)) = self.0.last_mut() {
            *total = total.saturating_add(size);
            *last = size;
        }
    }

    fn open(&mut self) {
        self.0.push((1, 0));
    }

    fn close(&mut self) {
        if self.0.len() > 1
            && let Some((total, _)) = self.0.pop()
        {
            self.atom(total);
        }
    }

    fn repeat(&mut self, times: u64) {
        if let Some((total, last)) = self.0.last_mut() {
            let more = last.saturating_mul(times.saturating_sub(1));
            *total = total.saturating_add(more);
            *last = last.saturating_add(more);
        }
    }

    fn total(self) -> u64 {
        self.0.into_iter().fold(0, |sum, (total, _)| sum.saturating_add(total))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repetition_counts_as_often_as_it_can_match() {
        for (pattern, least, most) in [
            ("^[0-9]{14}$", 14, 20),
            (r"^\d{3}\.\d{3}\.\d{3}-\d{2}$", 14, 25),
            ("^(GET|PUT)$", 8, 12),
            ("((((a?){30}){30}){30}){30}", 810_000, u64::MAX),
            ("(x{1000}){1000}", 1_000_000, u64::MAX),
            ("a{99999999999999999999}", 1, u64::MAX),
            (")))(((", 1, 10),
            ("[", 1, 10),
            ("", 1, 1),
        ] {
            let weight = weight(pattern);
            assert!((least..=most).contains(&weight), "{pattern}: {weight}");
        }
    }

    #[test]
    fn look_around_and_back_references_are_expensive() {
        for plain in [r"^\w+@\w+$", "(?:a|b)+", "(?<year>[0-9]{4})", r"a\.b"] {
            assert!(weight(plain) < 100, "{plain}");
        }
        for dear in [r"(a*)\1", "^(?=.*[0-9]).+$", "(?!x)", "(?<=a)b", "(?<!a)b", "a++", "(?>a)", r"\k<x>"] {
            assert!(weight(dear) >= BACKTRACKING, "{dear}");
        }
    }
}
