//! A job on the terminal: its log as it comes, and a bar.

use anyhow::{Context, bail};
use api_types::{Job, LogLine, Progress};
use futures_util::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};

use crate::terminal;

/// Follows a job's log stream to its end, and returns the job.
pub(crate) async fn follow(response: reqwest::Response) -> anyhow::Result<Job> {
    let bar = ProgressBar::new(100).with_style(ProgressStyle::with_template("  [{bar:30}] {pos:>3} %  {wide_msg}")?.progress_chars("=> "));
    let mut chunks = response.bytes_stream();
    let mut buffer = Vec::new();
    while let Some(chunk) = chunks.next().await {
        buffer.extend_from_slice(&chunk.context("the log stream broke off")?);
        while let Some(end) = buffer.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = buffer.drain(..end + 2).collect();
            if let Some(job) = show(&String::from_utf8_lossy(&event), &bar)? {
                bar.finish_and_clear();
                return Ok(job);
            }
        }
    }
    bail!("the log stream ended before the job did")
}

/// Shows one event; the job when it was the last.
fn show(event: &str, bar: &ProgressBar) -> anyhow::Result<Option<Job>> {
    let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
    let (Some(kind), Some(data)) = (field("event: "), field("data: ")) else { return Ok(None) };
    match kind {
        "log" => {
            let line: LogLine = serde_json::from_str(data)?;
            let text = format!("  {} {:8} {}", line.timestamp.format("%H:%M:%S%.3f"), line.level.as_str(), line.message);
            if bar.is_hidden() {
                terminal::line(&text)?;
            } else {
                bar.println(text);
            }
        }
        "progress" => {
            let progress: Option<Progress> = serde_json::from_str(data)?;
            let progress = progress.unwrap_or_default();
            bar.set_position(percent(&progress));
            bar.set_message(progress.message.unwrap_or_default());
        }
        "end" => return Ok(Some(serde_json::from_str(data)?)),
        _ => {}
    }
    Ok(None)
}

fn percent(progress: &Progress) -> u64 {
    let of_steps = || Some(100 * u64::try_from(progress.step?).ok()? / u64::try_from(progress.total_steps?).ok()?.max(1));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0–100 before")]
    let told = progress.percent.map(|percent| percent.clamp(0.0, 100.0) as u64);
    told.or_else(of_steps).unwrap_or(0)
}
