//! Rules of users: what a user name, an e-mail address, a display name and a password may be.
//!
//! What must hold: a user name is never read as the name of another kind of caller (`service:scheduler`, `key:portal`) nor of a service, and
//! looks like no other user's; it is no e-mail address, so that whoever signs in by either means one account.

mod passwords;

use self::passwords::is_common;
use crate::text::has_hidden;

/// The rule of [`is_username`].
pub const USERNAME_RULE: &str =
    "must be 1 to 64 lower-case letters (a to z), digits, dots, hyphens and underscores, and begin with a letter or digit";
/// The rule of [`is_email`].
pub const EMAIL_RULE: &str = "must be an e-mail address of at most 254 characters, such as maria@example.com";
/// The rule of [`is_display_name`].
pub const DISPLAY_NAME_RULE: &str = "must have 1 to 200 bytes and no control or invisible characters";

/// Characters of a password.
pub const PASSWORD_LENGTH: std::ops::RangeInclusive<usize> = 12..=256;
/// Characters of a user name.
pub const MAX_USERNAME: usize = 64;

/// Names of callers that are no users, and of the services.
const RESERVED: [&str; 11] = [
    "anybody",
    "api-gateway",
    "insecure-dev",
    "metrics-exporter",
    "orchestrator",
    "regente",
    "scheduler",
    "service",
    "sla-monitor",
    "system",
    "worker-key",
];

/// Whether a text may be the name of a new user. Whether the name is taken is not known here.
#[must_use]
pub fn is_username(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let first = text.as_bytes().first().is_some_and(|byte| plain(*byte));
    first && text.len() <= MAX_USERNAME && text.bytes().all(|byte| plain(byte) || matches!(byte, b'.' | b'-' | b'_'))
}

/// Whether a name is of a service or of another kind of caller.
#[must_use]
pub fn is_reserved(username: &str) -> bool {
    RESERVED.contains(&username)
}

/// Whether a text looks like one e-mail address. Only a message that arrives shows that it is one.
#[must_use]
pub fn is_email(text: &str) -> bool {
    let Some((local, host)) = text.rsplit_once('@') else { return false };
    let is_plain = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with('.') && !part.contains("..");
    let is_apart = |c: char| c.is_whitespace() || matches!(c, '"' | '<' | '>' | ',' | ';' | ':' | '\\' | '(' | ')');
    text.chars().count() <= 254
        && !has_hidden(text)
        && !text.contains(is_apart)
        && !local.contains('@')
        && is_plain(local)
        && is_plain(host)
}

/// Whether a text may be what people call a user.
#[must_use]
pub fn is_display_name(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= 200 && !has_hidden(text)
}

/// Checks a new password of a user with this name and e-mail address.
///
/// # Errors
/// What is wrong with it, as the end of a sentence that begins with the field.
pub fn check_password(password: &str, username: &str, email: Option<&str>) -> Result<(), &'static str> {
    if !PASSWORD_LENGTH.contains(&password.chars().count()) {
        return Err("must be 12 to 256 characters");
    }
    let lower = password.to_lowercase();
    let is_own = |word: &str| lower == word || lower.trim_matches(|c: char| !c.is_alphabetic()) == word;
    if is_own(&username.to_lowercase()) || email.is_some_and(|email| is_own(&email.to_lowercase())) {
        return Err("must not be the user name or e-mail address");
    }
    if is_common(&lower) {
        return Err("is one of the commonest passwords, or repeats few characters; choose another");
    }
    Ok(())
}

/// A user name for somebody whom another system calls `text`: what of it may be in a name.
#[must_use]
pub fn username_from(text: &str) -> String {
    let local = text.split('@').next().unwrap_or_default().to_lowercase();
    let plain: String = local.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')).take(MAX_USERNAME).collect();
    let plain = plain.trim_start_matches(['.', '-', '_']);
    if plain.is_empty() || is_reserved(plain) { format!("user-{plain}").trim_end_matches('-').to_owned() } else { plain.to_owned() }
}

/// The `number`th name like `name`: the first is the name itself.
#[must_use]
pub fn username_numbered(name: &str, number: u32) -> String {
    if number <= 1 {
        return name.to_owned();
    }
    let ending = format!("-{number}");
    let room = MAX_USERNAME.saturating_sub(ending.len());
    name.chars().take(room).chain(ending.chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_plain_and_of_no_other_kind_of_caller() {
        for name in ["ana", "a", "0", "maria.silva-2_x", &"a".repeat(64)] {
            assert!(is_username(name) && !is_reserved(name), "{name}");
        }
        for name in ["", "Ana", "ana:x", "service:x", "ana@example.com", ".a", "-a", "a b", "ána", "\u{430}na", "a\0", &"a".repeat(65)] {
            assert!(!is_username(name), "{name}");
        }
        for name in RESERVED {
            assert!(is_reserved(name) && is_username(name), "{name}");
        }
    }

    #[test]
    fn an_address_has_a_name_and_a_host() {
        for address in ["a@b", "maria.silva+x@example.com", "josé@exemplo.com.br"] {
            assert!(is_email(address), "{address}");
        }
        let long = format!("{}@b", "a".repeat(253));
        for address in ["", "a", "@b", "a@", "a@b@c", "a b@c", "a@b.", ".a@b", "a..b@c", "a@b\n", "a@b, c@d", "<a@b>", &long] {
            assert!(!is_email(address), "{address:?}");
        }
    }

    #[test]
    fn passwords_that_are_guessed_first_are_refused() {
        let check = |password: &str| check_password(password, "maria.silva", Some("maria@example.com"));
        for password in ["correct horse battery", "admin-password-of-a-test", "another-password", "x7K!x7K!x7Kq", "senha da maria 1"] {
            assert_eq!(check(password), Ok(()), "{password}");
        }
        for (password, word) in [
            ("short", "12 to 256"),
            (&"é".repeat(11), "12 to 256"),
            (&"ab1".repeat(86), "12 to 256"),
            ("Maria@Example.com", "user name"),
            ("MARIA.SILVA123", "user name"),
            ("password1234", "commonest"),
            ("Password123456", "commonest"),
            ("123456789012", "commonest"),
            ("aaaaaaaaaaaa", "commonest"),
            ("abababababab", "commonest"),
            ("qwertyuiop[]", "commonest"),
            ("senha1234567", "commonest"),
            ("changemechangeme", "commonest"),
        ] {
            assert!(check(password).is_err_and(|said| said.contains(word)), "{password}: {:?}", check(password));
        }
    }

    #[test]
    fn names_of_other_systems_become_names_of_ours() {
        for (text, name) in [
            ("Maria.Silva@Example.com", "maria.silva"),
            ("josé", "jos"),
            ("", "user"),
            ("日本", "user"),
            ("..x", "x"),
            ("scheduler", "user-scheduler"),
            ("a:b/c", "abc"),
        ] {
            assert_eq!(username_from(text), name, "{text}");
            assert!(is_username(name) && !is_reserved(name));
        }
    }

    #[test]
    fn names_that_are_taken_get_a_number() {
        let long = "a".repeat(64);
        for (name, number, expected) in
            [("ana", 1, "ana"), ("ana", 2, "ana-2"), (&long, 10, &format!("{}-10", "a".repeat(61))), ("user", 999, "user-999")]
        {
            assert_eq!(username_numbered(name, number), expected);
            assert!(is_username(expected) && !is_reserved(expected));
        }
    }
}
