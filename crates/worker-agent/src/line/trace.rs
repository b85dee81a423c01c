//! Stack traces, as Python, Node, Java, .NET, Go and Rust write them.

/// The first line of a Python traceback, perhaps behind a progress bar, which has no line end.
pub(super) const PYTHON: &str = "Traceback (most recent call last):";

/// What joins two tracebacks of Python.
const JOINTS: [&str; 2] = ["During handling of the above exception", "The above exception was the direct cause"];

pub(super) fn is_joint(line: &str) -> bool {
    JOINTS.iter().any(|joint| line.starts_with(joint))
}

/// The exception at the end of a traceback of Python: a name, alone or before a colon. Of a group it is behind a bar.
pub(super) fn python_exception(line: &str) -> Option<&str> {
    let line = line.strip_prefix("  | ").unwrap_or(line);
    let name = line.split_once(':').map_or(line, |(name, _)| name);
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '<' | '>');
    (!name.is_empty() && name.trim_end().chars().all(fits)).then_some(line)
}

/// Whether the line has the form of an error: `java.lang.IllegalStateException: text`, `TypeError: text`, `panic: text`.
pub(super) fn is_error(line: &str) -> bool {
    const BEGINNINGS: [&str; 5] = ["panic: ", "fatal error: ", "Exception in thread ", "Unhandled exception. ", "Uncaught "];
    if BEGINNINGS.iter().any(|beginning| line.starts_with(beginning)) || is_rust_panic(line) {
        return true;
    }
    const ENDINGS: [&str; 6] = ["Error", "Exception", "Rejection", "Interrupt", "Fault", "Failure"];
    let line = line.strip_prefix('[').unwrap_or(line);
    let end = line.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '$'))).unwrap_or(line.len());
    let (name, after) = line.split_at(end);
    let after = after.strip_prefix(" [").and_then(|code| Some(code.split_once(']')?.1)).unwrap_or(after);
    let is_told = after.starts_with(": ") || (after.is_empty() && name.contains('.')) || after == ":";
    is_told && ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// Rust prints the text in the next line.
pub(super) fn is_rust_panic(line: &str) -> bool {
    line.starts_with("thread '") && line.contains(" panicked at ") && line.ends_with(':')
}

/// Java's cause of the exception before.
pub(super) fn is_cause(line: &str) -> bool {
    line.starts_with("Caused by: ")
}

/// Whether the line belongs to a trace above it, although it does not begin with blanks.
pub(super) fn is_detail(line: &str) -> bool {
    const BEGINNINGS: [&str; 5] = ["#", "Stacktrace:", "Backtrace:", "Call log:", "goroutine "];
    BEGINNINGS.iter().any(|beginning| line.starts_with(beginning))
}

/// Lines without information of their own when a program ends.
pub(super) fn is_noise(line: &str) -> bool {
    const BEGINNINGS: [&str; 4] = ["Node.js v", "(Use `node --", "exit status ", "note: run with `RUST_BACKTRACE"];
    let line = line.trim();
    !line.chars().any(char::is_alphanumeric) || BEGINNINGS.iter().any(|beginning| line.starts_with(beginning))
}

/// Where the text begins that a program wrote right behind a progress bar, which has no end of line: a traceback, or anything behind a bar
/// of tqdm.
pub(super) fn behind_bar(line: &str) -> Option<usize> {
    let traceback = line.rfind(PYTHON).filter(|_| line.trim_end().ends_with(PYTHON));
    let tqdm = || {
        let bar = line.find("%|")?;
        let numbers = bar + line[bar..].find(" [")?;
        let end = numbers + line[numbers..].find(']')? + 1;
        (!line[end..].trim().is_empty()).then_some(end)
    };
    traceback.or_else(tqdm).filter(|at| *at > 0)
}
