//! Characters that names must not contain, because a name with one looks like another name.

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

#[cfg(test)]
mod tests {
    use super::*;

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
