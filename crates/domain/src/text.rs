//! Text of people: characters that names must not contain, because a name with one looks like another name, and the names nearest to a
//! misspelt one.

/// Whether a character is invisible or changes how others are shown: control characters, zero-width characters, and those that change the
/// direction of writing.
#[must_use]
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Whether a text contains a character that [`is_hidden`].
#[must_use]
pub fn has_hidden(text: &str) -> bool {
    text.chars().any(is_hidden)
}

/// The names most similar to a misspelt one: at most three, best first. Capitals, and which of `/`, `_`, `-` and space separates words, do
/// not matter; a name that ends with the given one is similar, so that `Sao_Paulo` finds `America/Sao_Paulo`.
#[must_use]
pub fn nearest<'a>(given: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    const SIMILAR: f64 = 0.8;
    let plain = |name: &str| name.to_lowercase().replace([' ', '-', '/', '_'], "_");
    let given = plain(given);
    if given.is_empty() {
        return Vec::new();
    }
    let score = |name: &str| {
        let name = plain(name);
        if name == given || name.ends_with(&format!("_{given}")) { 1.0 } else { strsim::jaro_winkler(&name, &given) }
    };
    let mut similar: Vec<_> = names.into_iter().map(|name| (score(name), name)).filter(|(score, _)| *score >= SIMILAR).collect();
    similar.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(other.1)));
    similar.into_iter().take(3).map(|(_, name)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_names_are_offered_best_first() {
        let names = ["today", "yesterday", "tomorrow", "first_of_month", "last_of_month"];
        assert_eq!(nearest("todya", names).first().map(String::as_str), Some("today"));
        assert_eq!(nearest("First of month", names).first().map(String::as_str), Some("first_of_month"));
        assert_eq!(nearest("", names), [""; 0]);
        assert_eq!(nearest("xyz", names), [""; 0]);
    }

    #[test]
    fn invisible_characters_are_found_and_visible_ones_are_not() {
        for hidden in ["a\u{202e}b", "\u{200b}", "a\u{200d}", "\u{feff}a", "a\u{2066}b", "a\nb", "\u{0}", "a\u{85}"] {
            assert!(has_hidden(hidden), "{hidden:?}");
        }
        for plain in ["Emissão de notas – São Paulo", "عربي", "עברית", "日本語", "robô 🤖", ""] {
            assert!(!has_hidden(plain), "{plain}");
        }
    }
}
