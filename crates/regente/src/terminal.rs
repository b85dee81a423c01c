//! Output on the terminal.

use std::io::{self, Write};

/// Prints a line on standard output.
pub(crate) fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Prints text without adding a newline on standard output.
pub(crate) fn text(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Prints a note on standard error.
pub(crate) fn note(text: &str) {
    // Ignored when standard error is closed.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Prints a prompt on standard error.
pub(crate) fn prompt(text: &str) {
    let mut out = io::stderr().lock();
    // Ignored when standard error is closed.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints a fault on standard error.
pub(crate) fn fault(text: &str) {
    // Ignored when standard error is closed.
    let _ = writeln!(io::stderr().lock(), "regente: {text}");
}
