use domain::log::Level;

/// The level that a line names at its beginning: `ERROR text`, `[ERROR] text`, `error: text`. A word that is not in capitals counts only in
/// brackets or before a colon, so that "Error handling works" is no error.
pub(super) fn leading(text: &str) -> Option<Level> {
    let text = text.trim_start();
    let (bracket, rest) = text.strip_prefix(['[', '<', '(']).map_or((false, text), |rest| (true, rest.trim_start()));
    let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (word, after) = rest.split_at(end);
    if !(4..=8).contains(&word.len()) {
        return None;
    }
    let level = Level::parse(word)?;
    let capitals = word.bytes().all(|byte| byte.is_ascii_uppercase());
    let marked = if bracket { after.trim_start().starts_with([']', '>', ')']) } else { after.starts_with(':') };
    let apart = after.is_empty() || after.starts_with([' ', '\t', ':', '-', '|', ',', ';']);
    (marked || (capitals && !bracket && apart)).then_some(level)
}
