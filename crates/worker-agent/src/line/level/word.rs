use domain::log::Level;

/// Reads a word for a level, in any case: those of the field's loggers, and what Portuguese robots and a Portuguese Java write.
pub(in crate::line) fn level(word: &str) -> Option<Level> {
    if !(3..=15).contains(&word.len()) {
        return None;
    }
    if let Some(level) = Level::parse_word(word) {
        return Some(level);
    }
    Some(match word.to_lowercase().as_str() {
        "dbg" | "verbose" | "trc" | "fine" | "finer" | "finest" | "config" | "depuração" | "depuracao" => Level::Debug,
        "inf" | "notice" | "success" | "informação" | "informacao" | "informações" | "informacoes" | "sucesso" => Level::Info,
        "wrn" | "aviso" | "alerta" | "atenção" | "atencao" | "advertência" | "advertencia" => Level::Warning,
        "err" | "erro" | "severe" | "grave" | "falha" => Level::Error,
        "crit" | "ftl" | "panic" | "dpanic" | "alert" | "emerg" | "emergency" | "crítico" | "critico" => Level::Critical,
        _ => return None,
    })
}

/// `E1126` of glog and of what comes from it: the level's letter and the date.
pub(super) fn of_glog(token: &str) -> Option<Level> {
    let (letter, date) = token.split_at_checked(1)?;
    if date.len() != 4 || !date.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(match letter {
        "D" | "V" => Level::Debug,
        "I" => Level::Info,
        "W" => Level::Warning,
        "E" => Level::Error,
        "F" => Level::Critical,
        _ => return None,
    })
}

/// The number of a level in JSON, as pino and bunyan count.
pub(in crate::line) const fn of_number(number: u64) -> Option<Level> {
    match number {
        10..=29 => Some(Level::Debug),
        30..=39 => Some(Level::Info),
        40..=49 => Some(Level::Warning),
        50..=59 => Some(Level::Error),
        60 => Some(Level::Critical),
        _ => None,
    }
}

/// The key of a level in logfmt.
pub(super) fn is_key(key: &str) -> bool {
    ["level", "lvl", "levelname", "severity", "loglevel", "log_level", "log.level", "nivel"]
        .iter()
        .any(|name| key.eq_ignore_ascii_case(name))
}

/// Parts of time stamps that are words.
pub(super) fn is_of_time(token: &str) -> bool {
    const WORDS: [&str; 26] = [
        "AM", "PM", "UTC", "GMT", "BRT", "Z", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Mon",
        "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "T",
    ];
    let bare = token.trim_end_matches([',', '.']);
    let is_number = !bare.is_empty() && bare.len() <= 4 && bare.bytes().all(|byte| byte.is_ascii_digit()) && bare.len() < token.len();
    let is_zone = bare.starts_with(['+', '-'])
        && (3..=6).contains(&bare.len())
        && bare.bytes().skip(1).all(|byte| byte.is_ascii_digit() || byte == b':');
    is_number || is_zone || WORDS.iter().any(|word| bare.eq_ignore_ascii_case(word))
}
