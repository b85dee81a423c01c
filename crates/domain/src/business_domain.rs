//! Rules of a valid domain: a business area that owns automations.

use crate::{Fault, text::has_hidden};

/// Maximum length of a slug, in characters.
pub const MAX_SLUG: usize = 64;
/// Maximum length of a name, in characters.
pub const MAX_NAME: usize = 200;
/// The rule for slugs, as an error message.
pub const SLUG_RULE: &str = "must have 1 to 64 letters a to z, digits or hyphens, and begin and end with a letter or digit";

/// Whether a text is a valid slug.
#[must_use]
pub fn is_slug(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let edges = [text.bytes().next(), text.bytes().next_back()];
    text.len() <= MAX_SLUG
        && edges.into_iter().all(|edge| edge.is_some_and(is_plain))
        && text.bytes().all(|byte| is_plain(byte) || byte == b'-')
}

/// Every fault of a domain.
#[must_use]
pub fn faults(slug: &str, name: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    if !is_slug(slug) {
        faults.push(Fault::new("slug", SLUG_RULE));
    }
    if name.trim().is_empty() || name.chars().count() > MAX_NAME || has_hidden(name) {
        faults.push(Fault::new("name", format!("must have 1 to {MAX_NAME} characters, none of them control or invisible characters")));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_names_its_field() {
        let fields = |slug: &str, name: &str| faults(slug, name).into_iter().map(|fault| fault.field).collect::<Vec<_>>();
        assert_eq!(fields("finance", "Finanças"), [""; 0]);
        assert_eq!(fields("-", " "), ["slug", "name"]);
        assert_eq!(fields("a", "a\u{202e}b"), ["name"]);
    }

    #[test]
    fn a_slug_has_letters_digits_and_hyphens_between_them() {
        for (slug, fine) in
            [("a", true), ("a-1", true), ("", false), ("-a", false), ("a-", false), ("A", false), ("a_b", false), ("é", false)]
        {
            assert_eq!(is_slug(slug), fine, "{slug:?}");
        }
        assert!(is_slug(&"x".repeat(MAX_SLUG)) && !is_slug(&"x".repeat(MAX_SLUG + 1)));
    }
}
