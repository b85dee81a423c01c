//! Passwords that are guessed first: common words and rows of keys, whatever digits and signs follow, and what repeats few characters.

/// Distinct characters that a password has at least.
const FEWEST_CHARACTERS: usize = 5;

/// Words of the commonest passwords, in English and Portuguese.
const WORDS: [&str; 60] = [
    "abacaxi",
    "abc",
    "abcd",
    "abcdef",
    "access",
    "administrador",
    "administrator",
    "admin",
    "amor",
    "baseball",
    "batman",
    "brasil",
    "changeme",
    "charlie",
    "computer",
    "corinthians",
    "default",
    "dragon",
    "eutamo",
    "felicidade",
    "flamengo",
    "football",
    "freedom",
    "guest",
    "hello",
    "hunter",
    "iloveyou",
    "jesus",
    "letmein",
    "liverpool",
    "login",
    "master",
    "michael",
    "monkey",
    "mustang",
    "mudar",
    "palmeiras",
    "pass",
    "passw",
    "password",
    "passwort",
    "princesa",
    "princess",
    "qwerty",
    "regente",
    "root",
    "saopaulo",
    "secret",
    "segredo",
    "senha",
    "shadow",
    "starwars",
    "summer",
    "sunshine",
    "superman",
    "teste",
    "test",
    "trustno",
    "user",
    "welcome",
];

/// Rows that fingers go along.
const ROWS: [&str; 8] = [
    "01234567890123456789",
    "98765432109876543210",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop[]asdfghjkl;zxcvbnm,.",
    "qwertyuiopasdfghjklzxcvbnm",
    "1q2w3e4r5t6y7u8i9o0p",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
    "qazwsxedcrfvtgbyhnujmikolp",
];

/// Whether a password, in lower case, is one of those.
pub(super) fn is_common(password: &str) -> bool {
    let mut characters: Vec<char> = password.chars().collect();
    characters.sort_unstable();
    characters.dedup();
    if characters.len() < FEWEST_CHARACTERS || ROWS.iter().any(|row| row.contains(password)) {
        return true;
    }
    // P@ssw0rd is as common as password.
    let plain: String = password.chars().map(letter).collect();
    [password, &plain].into_iter().any(|text| {
        let word = text.trim_matches(|c: char| !c.is_alphabetic());
        is_of_words(word) || is_of_words(text.trim_end_matches(|c: char| !c.is_alphabetic()))
    })
}

/// The letter that a digit or sign stands for.
fn letter(character: char) -> char {
    match character {
        '@' | '4' => 'a',
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '5' | '$' => 's',
        other => other,
    }
}

/// Whether a text is one common word, once or several times.
fn is_of_words(text: &str) -> bool {
    let repeats = |word: &str| {
        !text.is_empty() && text.len().is_multiple_of(word.len()) && text.as_bytes().chunks(word.len()).all(|part| part == word.as_bytes())
    };
    WORDS.iter().any(|word| repeats(word)) || ROWS.iter().any(|row| text.len() >= 4 && row.contains(text))
}
