//! API keys and the tokens of hooks: a prefix that people and secret scanners recognise, random letters and digits, and a check sum, so that what
//! is no key is refused without a look-up.

use secrecy::SecretString;

use crate::random_secret;

/// What every API key begins with.
pub const API_KEY_PREFIX: &str = "rgk_";

/// What every token of a hook begins with.
pub const HOOK_TOKEN_PREFIX: &str = "rgh_";

/// Random characters of a key: 238 bits.
const RANDOM: usize = 40;
/// Random characters of a hook's token: 256 bits.
const HOOK_RANDOM: usize = 43;
/// Characters of the check sum: 32 bits in base 62.
const CHECK: usize = 6;
/// Characters that a list shows of a key.
const SHOWN: usize = API_KEY_PREFIX.len() + 8;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A new API key.
#[must_use]
pub fn api_key() -> SecretString {
    made(API_KEY_PREFIX, RANDOM)
}

/// A new token of a hook.
#[must_use]
pub fn hook_token() -> SecretString {
    made(HOOK_TOKEN_PREFIX, HOOK_RANDOM)
}

/// Whether a text has the form of an API key, with its check sum. Whether the key exists is not known here.
#[must_use]
pub fn is_api_key(text: &str) -> bool {
    has_form(text, API_KEY_PREFIX, RANDOM)
}

/// Whether a text has the form of a hook's token, with its check sum.
#[must_use]
pub fn is_hook_token(text: &str) -> bool {
    has_form(text, HOOK_TOKEN_PREFIX, HOOK_RANDOM)
}

fn made(prefix: &str, random: usize) -> SecretString {
    let body = format!("{prefix}{}", random_secret(random));
    format!("{body}{}", check_sum(&body)).into()
}

fn has_form(text: &str, prefix: &str, random: usize) -> bool {
    let length = prefix.len() + random + CHECK;
    let is_plain =
        text.len() == length && text.strip_prefix(prefix).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    is_plain && text.split_at_checked(length - CHECK).is_some_and(|(body, check)| check_sum(body) == check)
}

/// The beginning of a key, by which people recognise it in a list.
#[must_use]
pub fn api_key_shown(key: &str) -> &str {
    &key[..key.floor_char_boundary(SHOWN)]
}

/// CRC-32 (IEEE 802.3) in base 62, the most significant digit first.
fn check_sum(body: &str) -> String {
    let mut rest = crc32fast::hash(body.as_bytes()) as usize;
    let mut digits = [b'0'; CHECK];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[rest % DIGITS.len()];
        rest /= DIGITS.len();
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_key_is_recognised_and_no_changed_one_is() {
        let (one, two) = (api_key(), api_key());
        assert_ne!(one.expose_secret(), two.expose_secret());
        let key = one.expose_secret();
        assert!(is_api_key(key) && key.len() == 50 && api_key_shown(key) == &key[..12]);
        for at in 4..key.len() {
            let mut bytes = key.as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
            assert!(!is_api_key(std::str::from_utf8(&bytes).unwrap()), "{at}");
        }
        for text in ["", "rgk_", &key[4..], &key[..49], &format!("{key}0"), &key.to_lowercase(), &key.replace("rgk_", "rgw_"), "é"] {
            assert!(!is_api_key(text), "{text}");
        }
    }

    #[test]
    fn a_hook_s_token_is_no_api_key_and_the_other_way_round() {
        let (token, key) = (hook_token(), api_key());
        assert!(is_hook_token(token.expose_secret()) && !is_api_key(token.expose_secret()));
        assert!(!is_hook_token(key.expose_secret()) && token.expose_secret().len() == 53);
        assert!(!is_hook_token(&token.expose_secret().to_lowercase()) && !is_hook_token("rgh_"));
    }

    #[test]
    fn the_check_sum_is_the_one_that_scanners_compute() {
        let body = format!("rgk_{}", "0".repeat(40));
        assert_eq!(crc32fast::hash(b"123456789"), 0xcbf4_3926);
        let value = check_sum(&body).bytes().fold(0, |sum, byte| sum * 62 + DIGITS.iter().position(|digit| *digit == byte).unwrap());
        assert_eq!(value, crc32fast::hash(body.as_bytes()) as usize);
    }
}
