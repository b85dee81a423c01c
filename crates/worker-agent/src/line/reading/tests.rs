use super::*;
use crate::line::Splitter;

/// Levels of the lines of standard error, and the last error.
fn stderr(text: &str) -> (Vec<Level>, Option<String>) {
    program(&[(Source::Stderr, text)])
}

fn program(writes: &[(Source, &str)]) -> (Vec<Level>, Option<String>) {
    let (mut reading, mut levels) = (Reading::default(), Vec::new());
    let mut splitters = [Splitter::default(), Splitter::default()];
    for (source, text) in writes {
        let splitter = &mut splitters[*source as usize];
        splitter.feed(text.as_bytes(), |line| reading.read(*source, &line, |(entry, _)| levels.push(entry.level)));
    }
    for (splitter, source) in splitters.iter_mut().zip([Source::Stdout, Source::Stderr]) {
        splitter.finish(|line| reading.read(source, &line, |(entry, _)| levels.push(entry.level)));
    }
    (levels, reading.error())
}

use Level::{Error, Info, Warning};

#[test]
fn standard_error_is_no_error_once_the_program_writes_levels() {
    assert_eq!(stderr("abc\n2026-11-26 10:00:00,123 INFO root: fim\nabc\n  def\n").0, [Error, Info, Info, Info]);
    let (levels, error) = program(&[(Source::Stdout, "INFO a\n"), (Source::Stderr, "b\n"), (Source::Stdout, "c\n")]);
    assert_eq!((levels, error.as_deref()), (vec![Info, Info, Info], Some("b")));
    assert_eq!(stderr("Error: a\nWarning: b\nc\n").0, [Error, Warning, Error], "texts of errors are not levels of a logger");
}

#[test]
fn the_last_real_error_is_the_error() {
    let python = "2026-11-26 10:00:00,123 ERROR root: tentativa 1\n2026-11-26 10:00:00,124 INFO root: fim\n";
    let trace = "Traceback (most recent call last):\n  File \"x.py\", line 3, in <module>\n    f()\n    ^^^\n";
    let table = [
        (python.to_owned(), Some("2026-11-26 10:00:00,123 ERROR root: tentativa 1")),
        (format!("{python}{trace}ValueError: saldo: 3\n"), Some("ValueError: saldo: 3")),
        (format!("{trace}KeyError: 'a'\n\nDuring handling of the above exception, another exception occurred:\n\n{trace}x.Falha: b\n"), Some("x.Falha: b")),
        (format!("{trace}KeyboardInterrupt\n"), Some("KeyboardInterrupt")),
        (format!("{trace}selenium.TimeoutException: Message: \nStacktrace:\n#0 0x55 <unknown>\n#1 0x56\n"), Some("selenium.TimeoutException: Message:")),
        (format!("Exception in thread Thread-1 (f):\n{trace}ValueError: t\nabc\n"), Some("ValueError: t")),
        ("  + Exception Group Traceback (most recent call last):\n  |   File \"x.py\", line 1, in <module>\n  | ExceptionGroup: eg (1 sub-exception)\n  +-+---- 1 ----\n    | ValueError: 1\n    +----\n".into(), Some("ExceptionGroup: eg (1 sub-exception)")),
        ("  File \"x.py\", line 1\n    print(\n         ^\nSyntaxError: '(' was never closed\n".into(), Some("SyntaxError: '(' was never closed")),
        ("Não há saldo\n".into(), Some("Não há saldo")),
        ("usage: x.py [-h] a\nx.py: error: the following arguments are required: a\n".into(), Some("x.py: error: the following arguments are required: a")),
        // Node
        (
            "/x.js:3\nthrow new Error(\"boom\")\n^\n\nError: boom\n    at Object.<anonymous> (/x.js:3:7)\n  code: 'E'\n}\n\nNode.js v20.20.2\n".into(),
            Some("Error: boom"),
        ),
        ("/x.js:1\nthrow \"boom\"\n^\nboom\n(Use `node --trace-uncaught ...` to show where the exception was thrown)\n\nNode.js v20.20.2\n".into(), Some("boom")),
        ("node:internal/x:1\n^\n\n[UnhandledPromiseRejection: reason \"x\".] {\n  code: 'E'\n}\n\nNode.js v20.20.2\n".into(), Some("[UnhandledPromiseRejection: reason \"x\".] {")),
        ("TypeError [ERR_X]: a\n    at x\n".into(), Some("TypeError [ERR_X]: a")),
        // Java
        (
            "Exception in thread \"main\" java.lang.RuntimeException: outer\n\tat Main.main(Main.java:5)\nCaused by: java.io.IOException: mid\n\t... 1 more\nCaused by: java.lang.Error: inner\n\tat x\n".into(),
            Some("Exception in thread \"main\" java.lang.RuntimeException: outer; Caused by: java.lang.Error: inner"),
        ),
        // Go, Rust, .NET
        ("panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/x.go:4 +0x1\nexit status 2\n".into(), Some("panic: boom")),
        ("\nthread 'main' (71) panicked at src/main.rs:2:5:\nboom\nnote: run with `RUST_BACKTRACE=1` environment variable\n".into(), Some("thread 'main' (71) panicked at src/main.rs:2:5: boom")),
        ("Unhandled exception. System.Exception: boom\n   at Program.Main()\n".into(), Some("Unhandled exception. System.Exception: boom")),
        // A shell
        ("a\nx.sh: line 3: foo: command not found\n\n".into(), Some("x.sh: line 3: foo: command not found")),
        ("\n".into(), None),
    ];
    for (text, expected) in table {
        assert_eq!(stderr(&text).1.as_deref(), expected, "{text}");
    }
}

#[test]
fn traces_are_errors_in_every_line_and_nothing_else_is() {
    let text = "INFO a\nTraceback (most recent call last):\n  File \"x\"\n    f()\n\nValueError: x\nmais\nINFO b\nc\n";
    assert_eq!(stderr(text).0, [Info, Error, Error, Error, Error, Error, Error, Info, Info]);
    let stdout = program(&[(Source::Stdout, "2026-11-26 10:00:00,1 ERROR a\njava.lang.X.YException: y\n\tat z\nCaused by: q\nfim\n")]);
    assert_eq!(stdout.0, [Error, Error, Error, Error, Info]);
    assert_eq!(stdout.1.as_deref(), Some("java.lang.X.YException: y; Caused by: q"));
    assert_eq!(program(&[(Source::Stdout, "ValueError: dito\n  x\n")]), (vec![Info, Info], None));
}

#[test]
fn colours_are_read_through() {
    let (levels, error) = stderr("\u{1b}[31mERRO\u{1b}[0m senha\n\u{1b}[32mINFO\u{1b}[0m fim\n");
    assert_eq!((levels, error.as_deref()), (vec![Error, Info], Some("ERRO senha")));
}

#[test]
fn a_progress_bar_is_never_the_error() {
    let (levels, error) = stderr("\r 10%|█  | 1/10\r100%|███| 10/10 [00:01<00:00, 9.9it/s]\n");
    assert_eq!((levels, error), (vec![Info], None));
    let bar = "\r 10%|█  | 1/10 [00:00<00:09, 9.9it/s]";
    let trace = "Traceback (most recent call last):\n  File \"x\"\nValueError: x\n";
    assert_eq!(stderr(&format!("{bar}{trace}")), (vec![Info, Error, Error, Error], Some("ValueError: x".into())));
    assert_eq!(stderr(&format!("\r 3 of 9{trace}")), (vec![Info, Error, Error, Error], Some("ValueError: x".into())));
    assert_eq!(stderr(&format!("{bar}ERROR root: a\n")), (vec![Info, Error], Some("ERROR root: a".into())));
    assert_eq!(stderr(&format!("saldo\n{bar}")), (vec![Error, Info], Some("saldo".into())));
}
