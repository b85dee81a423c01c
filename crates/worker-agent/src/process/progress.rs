//! A job's progress: from `progress.json`, or from a progress bar in the output while the program has not written the file.
//!
//! Progress is a state and not a log: only the newest value counts, and it is read once more after the program's end, so that the last
//! value is never lost.

use std::{
    io,
    time::{Duration, Instant},
};

use api_types::Progress;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use crate::{
    JobFolder, Outbox,
    line::{ansi::plain, clean},
    robot_json,
};

const FILE: &str = "progress.json";
const EVERY: Duration = Duration::from_millis(250);
/// Minimum time between two shown states of a bar.
const BAR_EVERY: Duration = Duration::from_secs(1);
const MAX_BYTES: u64 = 64 * 1024;
const MAX_MESSAGE: usize = 1000;

/// Writes the initial file, and returns the stamp that distinguishes it from what robots write.
pub(super) fn start(folder: &JobFolder) -> io::Result<Stamp> {
    folder.write_json(FILE, &json!({"etapa_atual": 0, "total_etapas": 0, "percentual": 0, "mensagem": ""}))?;
    Ok(stamp(folder))
}

/// Follows the file until the program's output has ended, and then reads it once more. While the program has not written the file, the
/// newest state of its progress bar is the message. A moving bar is progress and not a log line: one row that is replaced, at most once a
/// second.
pub(super) async fn watch(
    folder: &JobFolder,
    outbox: &Outbox,
    start: Stamp,
    bar: watch::Receiver<String>,
    mut ended: watch::Receiver<bool>,
) {
    let mut seen = start;
    let mut bar_shown: Option<Instant> = None;
    loop {
        let over = tokio::select! {
            _ = ended.wait_for(|ended| *ended) => true,
            () = tokio::time::sleep(EVERY) => false,
        };
        let now = stamp(folder);
        // At the end the file is read whatever its stamp: two writes within one tick of the clock have the same time.
        if (now != seen || (over && now != start))
            && let Some(progress) = read_in_background(folder.clone()).await
        {
            seen = now;
            outbox.progress(progress);
        }
        let bar_is_due = over || bar_shown.is_none_or(|at| at.elapsed() >= BAR_EVERY);
        if now == start && bar_is_due {
            let state = bar.borrow().clone();
            if !state.is_empty() {
                outbox.progress(of_bar(&state));
                bar_shown = Some(Instant::now());
            }
        }
        if over {
            return;
        }
    }
}

/// The progress that a bar shows.
fn of_bar(state: &str) -> Progress {
    let percent = state.match_indices('%').find_map(|(at, _)| {
        let number = state[..at].rsplit(|c: char| !(c.is_ascii_digit() || c == '.' || c == ',')).next()?;
        number.replace(',', ".").parse().ok().filter(|percent| (0.0..=100.0).contains(percent))
    });
    Progress { percent, message: Some(short(state)), ..Progress::default() }
}

fn short(text: &str) -> String {
    let text = clean(text.as_bytes(), 0);
    plain(&text).trim().chars().take(MAX_MESSAGE).collect()
}

/// Time, length and inode of the file, if it is there.
pub(super) type Stamp = Option<((i64, i64), i64, u64)>;

fn stamp(folder: &JobFolder) -> Stamp {
    let data = folder.stat(FILE).ok()?;
    Some(((data.st_mtime, data.st_mtime_nsec as i64), data.st_size, data.st_ino))
}

async fn read_in_background(folder: JobFolder) -> Option<Progress> {
    tokio::task::spawn_blocking(move || read(&folder)).await.ok()?
}

/// `None` for a file that is half written or not an object: the next check may find it complete.
fn read(folder: &JobFolder) -> Option<Progress> {
    let (Value::Object(fields), _) = robot_json::read(&folder.read(FILE, MAX_BYTES).ok()?).ok()? else { return None };
    Some(parse(&fields))
}

/// Reads both spellings; numbers may be text.
fn parse(fields: &Map<String, Value>) -> Progress {
    let number = |names: [&str; 2]| {
        let value = names.iter().find_map(|name| fields.get(*name))?;
        value.as_f64().or_else(|| value.as_str()?.trim().trim_end_matches('%').parse().ok()).filter(|number: &f64| number.is_finite())
    };
    let message = ["message", "mensagem"].iter().find_map(|name| fields.get(*name)?.as_str());
    Progress {
        step: number(["step", "etapa_atual"]).map(|number| number as i64),
        total_steps: number(["total_steps", "total_etapas"]).map(|number| number as i64),
        percent: number(["percent", "percentual"]).map(|number| number.clamp(0.0, 100.0)),
        message: message.map(short),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings() {
        let expected = Progress { step: Some(3), total_steps: Some(5), percent: Some(60.0), message: Some("Tela 3".into()) };
        for text in [
            r#"{"etapa_atual":3,"total_etapas":5,"percentual":60,"mensagem":"Tela 3","status":"executando"}"#,
            r#"{"step":3,"total_steps":5,"percent":60.0,"message":"Tela 3"}"#,
            r#"{"step":3,"etapa_atual":2,"total_steps":"5","percent":"60%","message":"Tela 3"}"#,
        ] {
            let Value::Object(fields) = serde_json::from_str(text).unwrap() else { panic!() };
            assert_eq!(parse(&fields), expected, "{text}");
        }
        let Value::Object(fields) = json!({"percentual": 400}) else { panic!() };
        assert_eq!(parse(&fields).percent, Some(100.0));
    }

    #[test]
    fn bars_say_how_far_they_are() {
        for (state, percent, message) in [
            ("\u{1b}[32m 45%|████▌     | 45/100 [00:01<00:01, 31.2it/s]", Some(45.0), "45%|████▌     | 45/100 [00:01<00:01, 31.2it/s]"),
            (" 12,5%", Some(12.5), "12,5%"),
            ("CPU 300%, 7% done", Some(7.0), "CPU 300%, 7% done"),
            ("3 de 9 notas", None, "3 de 9 notas"),
            ("%", None, "%"),
        ] {
            let progress = of_bar(state);
            assert_eq!((progress.percent, progress.message.as_deref()), (percent, Some(message)), "{state}");
        }
    }
}
