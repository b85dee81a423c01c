//! JSON as robots write it, read as leniently as its meaning allows.
//!
//! A robot's result must not be lost because of a `NaN` or a byte that is not UTF-8. What had to be replaced is reported, so that nothing
//! changes silently.

use std::{borrow::Cow, fmt};

use serde_json::Value;

/// What was replaced, and how often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Replaced {
    /// Bytes that are not UTF-8, read as Windows-1252.
    bytes: usize,
    /// `NaN`, `Infinity` and `-Infinity`, which JSON does not have.
    numbers: usize,
    /// Unpaired UTF-16 surrogates, which no text can hold, and U+0000, which PostgreSQL cannot.
    characters: usize,
    /// Control characters and backslashes in texts that had to be escaped.
    escapes: usize,
}

impl Replaced {
    /// Whether nothing was replaced.
    pub(crate) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Replaced {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            (self.bytes, "bytes that are not UTF-8 (read as Windows-1252)"),
            (self.numbers, "numbers that JSON does not have, NaN or Infinity (now null)"),
            (self.characters, "characters that cannot be stored (now U+FFFD)"),
            (self.escapes, "characters of texts that were not escaped"),
        ];
        let parts: Vec<_> = kinds.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        to.write_str(&parts.join(", "))
    }
}

/// Parses a JSON document. Integers of more than 64 bits, and numbers that a float cannot hold, become texts, which keep their digits. Of a
/// repeated key the last value counts. UTF-16 needs its byte order mark.
///
/// # Errors
/// It is not JSON even so.
pub(crate) fn read(bytes: &[u8]) -> Result<(Value, Replaced), serde_json::Error> {
    let mut replaced = Replaced::default();
    let text = decode(bytes, &mut replaced);
    let mut value = serde_json::from_str(&strict(&text, &mut replaced))?;
    without_nul(&mut value, &mut replaced);
    Ok((value, replaced))
}

/// The text of these bytes.
fn decode<'a>(bytes: &'a [u8], replaced: &mut Replaced) -> Cow<'a, str> {
    if let Some((encoding, _)) = encoding_rs::Encoding::for_bom(bytes) {
        if encoding != encoding_rs::UTF_8 {
            let text = encoding.decode_with_bom_removal(bytes).0;
            replaced.characters += text.matches(char::REPLACEMENT_CHARACTER).count();
            return text;
        }
        return decode(&bytes[3..], replaced);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(chunk) = rest.utf8_chunks().next() {
        text.push_str(chunk.valid());
        rest = &rest[chunk.valid().len()..];
        let taken = match rest {
            // An unpaired surrogate, written as if it were a character.
            [0xed, 0xa0..=0xbf, 0x80..=0xbf, ..] => {
                text.push(char::REPLACEMENT_CHARACTER);
                replaced.characters += 1;
                3
            }
            [byte, ..] => {
                text.push_str(&encoding_rs::WINDOWS_1252.decode_without_bom_handling(&[*byte]).0);
                replaced.bytes += 1;
                1
            }
            [] => break,
        };
        rest = &rest[taken..];
    }
    Cow::Owned(text)
}

/// The JSON with texts for long numbers, and with everything replaced that a strict parser refuses although its meaning is clear.
fn strict<'a>(json: &'a str, replaced: &mut Replaced) -> Cow<'a, str> {
    let mut kept = String::new();
    // Of `json`, what is in `kept` or was replaced.
    let mut done = 0;
    let mut at = 0;
    while let Some(byte) = json.as_bytes().get(at) {
        let rest = &json[at..];
        let (length, new) = match byte {
            b'"' => {
                let length = string_length(rest);
                (length, strict_string(&rest[..length], replaced))
            }
            b'-' | b'0'..=b'9' | b'N' | b'I' => {
                let length = rest.bytes().take_while(|byte| matches!(byte, b'-' | b'+' | b'.') || byte.is_ascii_alphanumeric()).count();
                (length, strict_number(&rest[..length], replaced))
            }
            _ => (rest.find(['"', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'N', 'I']).unwrap_or(rest.len()), None),
        };
        if let Some(new) = new {
            kept.push_str(&json[done..at]);
            kept.push_str(&new);
            done = at + length;
        }
        at += length;
    }
    if done == 0 {
        return Cow::Borrowed(json);
    }
    kept.push_str(&json[done..]);
    Cow::Owned(kept)
}

/// Of the string at the beginning of this text, with its quotes; of all when it does not end.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let is_end = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        is_end
    });
    end.map_or(text.len(), |end| end + 2)
}

fn strict_number(token: &str, replaced: &mut Replaced) -> Option<String> {
    if matches!(token, "NaN" | "Infinity" | "-Infinity" | "-NaN") {
        replaced.numbers += 1;
        return Some("null".to_owned());
    }
    (is_long(token) || is_beyond_floats(token)).then(|| format!("\"{token}\""))
}

fn is_long(token: &str) -> bool {
    let digits = token.strip_prefix('-').unwrap_or(token);
    let is_whole = digits.bytes().all(|byte| byte.is_ascii_digit()) && matches!(digits.as_bytes().first(), Some(b'1'..=b'9'));
    is_whole && token.parse::<i64>().is_err() && token.parse::<u64>().is_err()
}

/// `1e999`: a float of JSON that is read as infinite.
fn is_beyond_floats(token: &str) -> bool {
    token.bytes().any(|byte| matches!(byte, b'e' | b'E' | b'.')) && token.parse::<f64>().is_ok_and(f64::is_infinite)
}

/// The string, when it is not one of JSON: with an escape for each control character, each backslash that escapes nothing and each half of a
/// UTF-16 pair.
fn strict_string(string: &str, replaced: &mut Replaced) -> Option<String> {
    if !string.bytes().any(|byte| byte < 0x20 || byte == b'\\') {
        return None;
    }
    let before = *replaced;
    let mut kept = String::with_capacity(string.len());
    let mut rest = string;
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '\\' => escape(rest, &mut kept, replaced),
            '\0'..='\u{1f}' => {
                kept.push_str(&format!("\\u{:04x}", u32::from(c)));
                replaced.escapes += 1;
                1
            }
            _ => {
                kept.push(c);
                c.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    (*replaced != before).then_some(kept)
}

/// Adds the escape at the beginning of `rest` to `kept`, and gives its length.
fn escape(rest: &str, kept: &mut String, replaced: &mut Replaced) -> usize {
    let length = match rest.as_bytes().get(1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
        Some(b'u') => match (unit(rest), unit(rest.get(6..).unwrap_or_default())) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                kept.push_str("\\ufffd");
                replaced.characters += 1;
                return 6;
            }
            (Some(_), _) => 6,
            (None, _) => 0,
        },
        _ => 0,
    };
    if length > 0 {
        kept.push_str(&rest[..length]);
        return length;
    }
    kept.push_str("\\\\");
    replaced.escapes += 1;
    1
}

/// The UTF-16 unit of an escape `\uXXXX`.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
}

/// PostgreSQL's JSON cannot hold U+0000.
fn without_nul(value: &mut Value, replaced: &mut Replaced) {
    match value {
        Value::String(text) if text.contains('\0') => {
            replaced.characters += text.matches('\0').count();
            *text = text.replace('\0', "\u{fffd}");
        }
        Value::Array(items) => items.iter_mut().for_each(|item| without_nul(item, replaced)),
        Value::Object(fields) => {
            if fields.keys().any(|key| key.contains('\0')) {
                replaced.characters += 1;
                *fields = std::mem::take(fields).into_iter().map(|(key, value)| (key.replace('\0', "\u{fffd}"), value)).collect();
            }
            fields.values_mut().for_each(|field| without_nul(field, replaced));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn value(json: impl AsRef<[u8]>) -> Value {
        read(json.as_ref()).unwrap().0
    }

    #[test]
    fn what_can_be_read_is_read() {
        let utf_16 = |big: bool| {
            let units = "\u{feff}{\"error\":\"Sessão\"}".encode_utf16();
            units.flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect::<Vec<u8>>()
        };
        let table: Vec<(Vec<u8>, Value, &str)> = vec![
            (br#"{"a": 1}"#.into(), json!({"a": 1}), ""),
            (
                br#"{"media": NaN, "b": [Infinity,-Infinity], "error_class": "CREDENTIAL_INVALID", "c": "NaN"}"#.into(),
                json!({"media": null, "b": [null, null], "error_class": "CREDENTIAL_INVALID", "c": "NaN"}),
                "3 numbers that JSON does not have, NaN or Infinity (now null)",
            ),
            (b"{\"error\": \"Senha inv\xe1lida \x80\"}".into(), json!({"error": "Senha inválida €"}), "2 bytes that are not UTF-8"),
            ("{\"error\": \"é\u{e1}\"}".bytes().chain(*b" ").collect(), json!({"error": "éá"}), ""),
            (
                br#"{"a": "x\ud83dy", "b": "\ude00", "c": "\ud83d\ude00"}"#.into(),
                json!({"a": "x\u{fffd}y", "b": "\u{fffd}", "c": "😀"}),
                "2 characters",
            ),
            (b"{\"a\": \"x\xed\xa0\xbdy\"}".into(), json!({"a": "x\u{fffd}y"}), "1 characters"),
            (b"\xef\xbb\xbf{\"a\": 1}".into(), json!({"a": 1}), ""),
            (utf_16(false), json!({"error": "Sessão"}), ""),
            (utf_16(true), json!({"error": "Sessão"}), ""),
            (
                b"{\"a\": \"linha 1\nlinha 2\\q C:\\Temp\\\\\"}".into(),
                json!({"a": "linha 1\nlinha 2\\q C:\\Temp\\"}),
                "3 characters of texts",
            ),
            (br#"{"a": 1, "a": 2}"#.into(), json!({"a": 2}), ""),
            ("{\"a\\u0000\":[\"b\\u0000\"]}".into(), json!({"a\u{fffd}": ["b\u{fffd}"]}), "2 characters that cannot be stored"),
            (br#"{"a": 1e999, "b": -1.5e400}"#.into(), json!({"a": "1e999", "b": "-1.5e400"}), ""),
        ];
        for (bytes, expected, note) in table {
            let (value, replaced) = read(&bytes).unwrap_or_else(|error| panic!("{}: {error}", String::from_utf8_lossy(&bytes)));
            assert_eq!(value, expected);
            let text = replaced.to_string();
            assert!(text.starts_with(note) && replaced.is_nothing() == note.is_empty(), "{expected}: {text}");
        }
        for broken in ["{", "", "{\"a", "[1,", "[01]", "[-]", "[NaNs]", "[0123456789012345678901234567890]", "half a res", "\u{fffd}"] {
            assert!(read(broken.as_bytes()).is_err(), "{broken}");
        }
    }

    #[test]
    fn long_numbers_keep_their_digits() {
        let key = "35260112345678000195550010000001231000001234";
        assert_eq!(value(format!(r#"{{"chave": {key}, "notas": [-{key},1]}}"#)), json!({"chave": key, "notas": [format!("-{key}"), 1]}));
        assert_eq!(value(key), json!(key));
        let others =
            format!(r#"["{key}", "\\\"", {{"a\\": 18446744073709551615, "{key}": -9223372036854775808}}, 1e300, -0.5, 0, 1.{key}, ""]"#);
        assert_eq!(value(&others), serde_json::from_str::<Value>(&others).unwrap(), "nothing else changes");
    }
}
