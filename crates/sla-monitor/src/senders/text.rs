//! Texts as receivers take them: cut to their limits, and words that a sender adds.

use domain::{
    alert::Severity,
    notification::{Brief, Message},
    schedule::words::Language,
};

/// At most `most` characters of a text; what is cut shows.
pub(super) fn clip(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// A text on one line, without control characters.
pub(super) fn one_line(text: &str) -> String {
    let plain: String =
        text.chars().map(|one| if one.is_control() || matches!(one, '\u{2028}' | '\u{2029}') { ' ' } else { one }).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Text of HTML and XML.
pub(super) fn escape_html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// What people see at once.
pub(super) const fn mark(severity: Severity, is_over: bool) -> &'static str {
    match severity {
        _ if is_over => "✅",
        Severity::Info => "ℹ️",
        Severity::Warning => "⚠️",
        Severity::Error => "🔴",
        Severity::Critical => "🚨",
    }
}

/// Words that senders add to a message.
pub(super) struct Words(pub(super) Language);

impl Words {
    const fn of(&self, portuguese: &'static str, english: &'static str) -> &'static str {
        match self.0 {
            Language::Pt => portuguese,
            Language::En => english,
        }
    }

    pub(super) const fn open(&self) -> &'static str {
        self.of("Abrir no Regente", "Open in Regente")
    }

    pub(super) const fn what_to_do(&self) -> &'static str {
        self.of("O que fazer", "What to do")
    }

    pub(super) const fn job(&self) -> &'static str {
        self.of("Execução", "Job")
    }

    pub(super) fn more(&self, count: usize) -> String {
        match (self.0, count) {
            (Language::Pt, 1) => "mais 1".to_owned(),
            (Language::Pt, count) => format!("mais {count}"),
            (Language::En, count) => format!("{count} more"),
        }
    }
}

/// Links of an alert with their texts: its page, then its jobs.
pub(super) fn links<'b>(brief: &'b Brief, words: &Words, jobs: usize) -> Vec<(String, &'b str)> {
    let page = brief.url.as_deref().map(|url| (words.open().to_owned(), url));
    let numbered = |(url, nth): (&'b String, usize)| (format!("{} {nth}", words.job()), url.as_str());
    page.into_iter().chain(brief.job_urls.iter().zip(1..).take(jobs).map(numbered)).collect()
}

/// The page of a whole message, unless the message is about one alert whose own page is linked.
pub(super) fn own_page(message: &Message) -> Option<&str> {
    let is_linked = matches!(message.alerts.as_slice(), [only] if only.url.is_some());
    message.url.as_deref().filter(|_| !is_linked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_by_characters_and_lines_are_joined() {
        assert_eq!((clip("ação", 4), clip("ação!", 4), clip("a b c", 3)), ("ação".to_owned(), "açã…".to_owned(), "a…".to_owned()));
        assert_eq!(one_line("Faturamento São Paulo\r\nBcc: x@evil.test\u{2028}\0 x"), "Faturamento São Paulo Bcc: x@evil.test x");
        assert_eq!(escape_html("<a href=\"x\">&amp;"), "&lt;a href=&quot;x&quot;&gt;&amp;amp;");
        assert_eq!((Words(Language::Pt).more(1), Words(Language::En).more(3)), ("mais 1".to_owned(), "3 more".to_owned()));
    }
}
