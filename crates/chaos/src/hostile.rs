//! Hostile robots: what they leave, print or kill must harm only their own job.

use std::{fs, path::Path, sync::Arc, time::Duration};

use anyhow::Result;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    api::{Request, Submitted},
    load::Ledger,
    robots,
    shapes::{Shape, copy_program},
    world::World,
};

/// The program that is left running, identified by its path.
pub(crate) const SLEEPER: &str = "sleeper";
/// Interval between two of them.
const EVERY: Duration = Duration::from_secs(3);
const BEFORE_REPEAT: Duration = Duration::from_millis(200);
const TIMEOUT_S: i64 = 30;
/// The robot with hostile parameters instead of a hostile program.
const WIDE: &str = "wide";

/// A hostile robot.
pub(crate) struct Hostile {
    pub(crate) name: &'static str,
    pub(crate) timeout_s: i64,
    /// How its jobs may end: `completed`, or an error class.
    pub(crate) ends: &'static [&'static str],
    script: &'static str,
}

const COMPLETES: &[&str] = &["completed"];
const KILLED: &[&str] = &["KILLED", "WORKER_LOST"];

/// All of them. Each records that it began, and at the end that it did its work.
pub(crate) const ROBOTS: [Hostile; 9] = [
    Hostile {
        name: "pipes",
        timeout_s: TIMEOUT_S,
        ends: COMPLETES,
        script: "rm -f lease.json status.json control.json\nmkfifo result.json progress.json lease.json status.json control.json\nsleep 1\n",
    },
    Hostile {
        name: "zeros",
        timeout_s: TIMEOUT_S,
        ends: COMPLETES,
        script: "ln -sf /dev/zero result.json\nln -sf /dev/zero progress.json\nln -sf /dev/zero lease.json\nsleep 1\n",
    },
    Hostile { name: "huge", timeout_s: TIMEOUT_S, ends: COMPLETES, script: "truncate -s 8G result.json progress.json\nsleep 1\n" },
    Hostile {
        name: "bars",
        timeout_s: 3,
        ends: &["JOB_TIMEOUT"],
        script: "n=0\nwhile :; do n=$((n + 1)); printf '\\r[=====     ] %s %%' \"$n\"; done\n",
    },
    Hostile {
        name: "strays",
        timeout_s: TIMEOUT_S,
        ends: COMPLETES,
        script: r#"sleeper=${PARAM_BOOKS%/*}/sleeper
for n in 1 2 3 4; do env -i setsid "$sleeper" 3600 </dev/null >/dev/null 2>&1 & done
(env -i setsid sh -c 'trap "" TERM HUP; cd /; "$0" 3600 & "$0" 3600' "$sleeper" &) </dev/null >/dev/null 2>&1
sleep 0.5
"#,
    },
    Hostile {
        name: "loud",
        timeout_s: 120,
        ends: COMPLETES,
        script: "yes 'this line is one of two million, and each of them is as little worth reading as the one before it' | head -c \"$PARAM_BYTES\"\n",
    },
    // Its parent is the supervisor: without it the end of the program cannot be determined nor, if it is quick, its beginning.
    Hostile {
        name: "parricide",
        timeout_s: TIMEOUT_S,
        ends: &["UNKNOWN", "KILLED", "WORKER_LOST", "LAUNCH_FAILED"],
        script: "kill -9 \"$PPID\"\nsleep 5\n",
    },
    Hostile {
        name: "regicide",
        timeout_s: TIMEOUT_S,
        ends: KILLED,
        script: r#"pid=$PPID
until tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q ' worker '; do pid=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$pid/status"); done
kill -9 "$pid"
sleep 5
"#,
    },
    // The hub may accept what the system does not: no program can be started with so many.
    Hostile { name: WIDE, timeout_s: TIMEOUT_S, ends: &["completed", "LAUNCH_FAILED", "INVALID_PARAMETERS"], script: "" },
];

/// Writes the programs into `folder`.
pub(crate) fn write(folder: &Path) -> Result<()> {
    for robot in &ROBOTS {
        fs::write(folder.join(robot.name), format!("{}{}note effect\n", robots::BEGIN, robot.script))?;
    }
    copy_program("/bin/sleep", &folder.join(SLEEPER))
}

/// Bytes that the loud robot prints in a run of this length: there must be time to send them.
pub(crate) fn loud_bytes(run: Duration) -> u64 {
    if run < Duration::from_secs(300) { 20_000_000 } else { 200_000_000 }
}

/// Submits the robots one after the other until then; the loud one prints this many bytes.
pub(crate) async fn run(world: Arc<World>, ledger: Arc<Ledger>, until: Instant, loud_bytes: u64) {
    let hostile: Vec<&Shape> = world.shapes.iter().filter(|shape| shape.is_hostile()).collect();
    for number in 0.. {
        if Instant::now() >= until {
            break;
        }
        // Each alternates between the two queues.
        let queue = (number + number / ROBOTS.len()) % 2;
        let name = format!("{}-{queue}", ROBOTS[number % ROBOTS.len()].name);
        if let Some(shape) = hostile.iter().find(|shape| shape.name == name) {
            submit(&world, &ledger, shape, (number, loud_bytes)).await;
        }
        sleep(EVERY).await;
    }
}

async fn submit(world: &World, ledger: &Ledger, shape: &Shape, (number, loud_bytes): (usize, u64)) {
    let wide = shape.name.starts_with(WIDE);
    let mut parameters = robots::parameters(&world.books(), 0, 0);
    parameters.insert("bytes".to_owned(), json!(loud_bytes));
    if wide {
        spread(&mut parameters);
    }
    let request = Request { automation: shape.automation, parameters, priority: 5, key: format!("hostile-{number}") };
    loop {
        match world.api.execute(number % world.hubs.len(), &request).await {
            Submitted::Accepted(job) => {
                ledger.note(&request, job);
                return;
            }
            // The hub refuses too many parameters.
            Submitted::Refused(text) if wide => return world.journal.say(&format!("hostile parameters are refused: {text}")),
            Submitted::Refused(text) => return world.journal.breach(format!("{} was refused: {text}", shape.name)),
            Submitted::Unknown(_) => sleep(BEFORE_REPEAT).await,
        }
    }
}

/// 50,000 keys, and one value of 60 levels.
fn spread(parameters: &mut Map<String, Value>) {
    parameters.extend((0..50_000).map(|number| (format!("key {number}"), json!(number))));
    let deep = (0..60).fold(json!("deep"), |inner, _| json!([inner]));
    parameters.insert("deep".to_owned(), deep);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_as_wide_and_deep_as_is_said() {
        let mut parameters = Map::new();
        spread(&mut parameters);
        let depth = std::iter::successors(parameters.get("deep"), |value| value.get(0)).count();
        assert_eq!((parameters.len(), depth), (50_001, 61));
    }
}
