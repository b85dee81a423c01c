use std::time::Duration;

use domain::log::Level;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    sync::watch,
    time::{Instant, timeout_at},
};

use super::log::{Lines, RobotLog};
use crate::line::Splitter;

const BUFFER: usize = 32 * 1024;
/// After the program's end its output is read until it has been silent for this long, if somebody keeps it open.
const SILENCE: Duration = Duration::from_millis(250);
/// And not longer than this.
const AFTER_END: Duration = Duration::from_secs(5);

/// Reads one output of a program to its end into the log.
pub(super) async fn read<R: AsyncRead + Unpin>(pipe: Option<R>, default: Level, log: &RobotLog, mut ended: watch::Receiver<bool>) {
    let Some(mut pipe) = pipe else { return };
    let mut splitter = Splitter::default();
    let mut buffer = vec![0; BUFFER];
    let mut last = None;
    let mut left_open = false;
    loop {
        let read = match last {
            None => tokio::select! {
                biased;
                _ = ended.wait_for(|ended| *ended) => {
                    last = Some(Instant::now() + AFTER_END);
                    continue;
                }
                read = pipe.read(&mut buffer) => read,
            },
            Some(last) if Instant::now() < last => match timeout_at(last.min(Instant::now() + SILENCE), pipe.read(&mut buffer)).await {
                Ok(read) => read,
                Err(_) => {
                    left_open = true;
                    break;
                }
            },
            Some(_) => {
                left_open = true;
                break;
            }
        };
        let Ok(length @ 1..) = read else { break };
        let mut lines = Lines::default();
        splitter.feed(&buffer[..length], |line| lines.push(line.entry(default)));
        log.add(lines);
    }
    let mut lines = Lines::default();
    splitter.finish(|line| lines.push(line.entry(default)));
    log.add(lines);
    if left_open {
        log.note(
            Level::Warning,
            "a process that the program left behind keeps its output open; what it writes from now on is not in the log",
        );
    }
}
