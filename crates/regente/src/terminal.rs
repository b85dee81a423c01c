//! What people read on the terminal.

use std::io::{self, Write};

/// A line on standard output.
pub(crate) fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Text that ends its lines itself, on standard output.
pub(crate) fn text(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Something that is said beside the output, on standard error.
pub(crate) fn note(text: &str) {
    // Nobody reads it when standard error is gone.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// A question at the end of which the answer is typed, on standard error.
pub(crate) fn prompt(text: &str) {
    let mut out = io::stderr().lock();
    // Nobody reads it when standard error is gone.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// A fault on standard error.
pub(crate) fn fault(text: &str) {
    // Nobody to tell when standard error is gone.
    let _ = writeln!(io::stderr().lock(), "regente: {text}");
}
