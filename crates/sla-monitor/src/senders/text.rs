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

/// A part of what people wrote in Markdown.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'m> {
    Text(&'m str),
    /// Words, and where they lead.
    Link(&'m str, &'m str),
}

/// Divides a note at its links to the web and to mailboxes, `[words](https://…)`.
pub(super) fn parts(markdown: &str) -> Vec<Part<'_>> {
    let (mut parts, mut done, mut from) = (Vec::new(), 0, 0);
    while let Some(opening) = markdown[from..].find('[').map(|at| from + at) {
        from = opening + 1;
        let Some((words, rest)) = markdown[from..].split_once("](") else { break };
        let Some((url, _)) = rest.split_once(')') else { break };
        let leads = ["https://", "http://", "mailto:"].iter().any(|scheme| url.starts_with(scheme));
        if words.is_empty() || words.contains(['[', ']', '\n']) || url.contains(char::is_whitespace) || !leads {
            continue;
        }
        if done < opening {
            parts.push(Part::Text(&markdown[done..opening]));
        }
        parts.push(Part::Link(words, url));
        // The opening bracket, what is between, and the closing parenthesis.
        done = from + words.len() + 2 + url.len() + 1;
        from = done;
    }
    if done < markdown.len() {
        parts.push(Part::Text(&markdown[done..]));
    }
    parts
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
    fn a_note_is_divided_at_its_links_and_nowhere_else() {
        let (text, link) = (Part::Text, Part::Link);
        assert_eq!(
            parts("[see] ção [the **wiki**](https://w.test/a?b=c#d), [x](javascript:y) [m](mailto:a@b.test)"),
            [
                text("[see] ção "),
                link("the **wiki**", "https://w.test/a?b=c#d"),
                text(", [x](javascript:y) "),
                link("m", "mailto:a@b.test")
            ]
        );
        for none in ["", "[", "a [b](https://", "[](https://w.test)", "[a\nb](https://w.test)", "[a](https://w.test b)", "[[[é"] {
            assert_eq!(parts(none), if none.is_empty() { vec![] } else { vec![text(none)] }, "{none}");
        }
    }

    #[test]
    fn texts_are_cut_by_characters_and_lines_are_joined() {
        assert_eq!((clip("ação", 4), clip("ação!", 4), clip("a b c", 3)), ("ação".to_owned(), "açã…".to_owned(), "a…".to_owned()));
        assert_eq!(one_line("Faturamento São Paulo\r\nBcc: x@evil.test\u{2028}\0 x"), "Faturamento São Paulo Bcc: x@evil.test x");
        assert_eq!(escape_html("<a href=\"x\">&amp;"), "&lt;a href=&quot;x&quot;&gt;&amp;amp;");
        assert_eq!((Words(Language::Pt).more(1), Words(Language::En).more(3)), ("mais 1".to_owned(), "3 more".to_owned()));
    }
}
