//! The request that the current task serves. Its ids are in every log line that is written meanwhile, whoever writes it.
//!
//! A task-local value and not a span: a span is formatted for each request, whether a line is written or not.
//!
//! A line stays one line: what a caller sent is logged without its control characters, which could begin another line, or speak to a terminal.

use std::{borrow::Cow, fmt, future::Future, sync::Arc};

use tracing::{Event, Subscriber};
use tracing_subscriber::{
    fmt::{
        FmtContext,
        format::{FormatEvent, FormatFields, Writer},
    },
    registry::LookupSpan,
};

tokio::task_local! {
    static CURRENT: Arc<RequestIds>;
}

/// What a request is called. Both ids have only characters that need no escape in a log line or a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestIds {
    /// Its own id.
    pub request_id: String,
    /// The id of the trace that it is part of, 32 hexadecimal digits.
    pub trace_id: String,
}

/// Runs `work` as part of a request.
pub async fn in_request<F: Future>(ids: Arc<RequestIds>, work: F) -> F::Output {
    CURRENT.scope(ids, work).await
}

/// The request that the current task serves.
#[must_use]
pub fn current_request() -> Option<Arc<RequestIds>> {
    CURRENT.try_with(Clone::clone).ok()
}

/// How lines are written.
#[derive(Clone, Copy)]
pub(crate) enum Notation {
    Json,
    Text,
}

/// Adds the ids of the current request to each line. JSON escapes control characters itself; text has them escaped here, except where no request is
/// served and the log goes to a terminal, whose colours are control characters too.
pub(crate) struct WithRequest<F> {
    line: F,
    notation: Notation,
}

impl<F> WithRequest<F> {
    pub(crate) const fn new(line: F, notation: Notation) -> Self {
        Self { line, notation }
    }
}

impl<S, N, F> FormatEvent<S, N> for WithRequest<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let (ids, is_text) = (current_request(), matches!(self.notation, Notation::Text));
        if ids.is_none() && (!is_text || writer.has_ansi_escapes()) {
            return self.line.format_event(context, writer, event);
        }
        let mut line = String::new();
        self.line.format_event(context, Writer::new(&mut line), event)?;
        let line = line.trim_end_matches('\n');
        match (ids.as_deref(), line.strip_suffix('}')) {
            (Some(RequestIds { request_id, trace_id }), Some(open)) if !is_text => {
                writeln!(writer, r#"{open},"request_id":"{request_id}","trace_id":"{trace_id}"}}"#)
            }
            (Some(RequestIds { request_id, trace_id }), _) => {
                writeln!(writer, "{} request_id={request_id} trace_id={trace_id}", escaped(line))
            }
            (None, _) => writeln!(writer, "{}", escaped(line)),
        }
    }
}

/// A text with its control characters as escapes.
fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return text.into();
    }
    let escape = |mut all: String, character: char| {
        if character.is_control() {
            all.extend(character.escape_default())
        } else {
            all.push(character)
        }
        all
    };
    text.chars().fold(String::with_capacity(text.len() + 16), escape).into()
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        sync::{Mutex, PoisonError},
    };

    use tracing_subscriber::{fmt::MakeWriter, layer::SubscriberExt as _};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Lines {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    fn written(notation: Notation) -> Vec<String> {
        let lines = Lines::default();
        let layer = tracing_subscriber::fmt::layer().with_writer(lines.clone());
        let log = || {
            let ids = Arc::new(RequestIds { request_id: "r-1".to_owned(), trace_id: "0af7".to_owned() });
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(in_request(ids, async { tracing::info!(job.id = 7, "in a request {{}}") }));
            tracing::info!(user.name = %"ana\n2026-11-26 INFO forged \u{1b}[31m", "outside");
        };
        match notation {
            Notation::Json => {
                let layer = layer.json().flatten_event(true).map_event_format(|line| WithRequest::new(line, Notation::Json));
                tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
            }
            Notation::Text => {
                let layer = layer.with_ansi(false).map_event_format(|line| WithRequest::new(line, Notation::Text));
                tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
            }
        }
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn json_lines_have_the_ids_of_their_request_beside_their_own_fields() {
        let lines: Vec<serde_json::Value> = written(Notation::Json).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((&lines[0]["request_id"], &lines[0]["trace_id"], &lines[0]["job.id"]), (&"r-1".into(), &"0af7".into(), &7.into()));
        assert_eq!((&lines[0]["message"], lines.len()), (&"in a request {}".into(), 2));
        assert!(lines[1].get("request_id").is_none());
        assert_eq!(lines[1]["user.name"], "ana\n2026-11-26 INFO forged \u{1b}[31m");
    }

    #[test]
    fn text_lines_end_with_the_ids_of_their_request() {
        let lines = written(Notation::Text);
        assert!(lines[0].ends_with("in a request {} job.id=7 request_id=r-1 trace_id=0af7"), "{}", lines[0]);
        assert!(lines[1].contains("outside"), "{}", lines[1]);
    }

    #[test]
    fn what_a_caller_sent_begins_no_line_and_speaks_to_no_terminal() {
        let lines = written(Notation::Text);
        assert_eq!(lines.len(), 2);
        assert!(lines[1].ends_with(r"user.name=ana\n2026-11-26 INFO forged \u{1b}[31m"), "{}", lines[1]);
        assert_eq!(escaped("ação {}\ttab"), "ação {}\\ttab");
    }
}
