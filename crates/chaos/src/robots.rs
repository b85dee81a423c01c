//! The robots: small programs that record what they do, and their books.

use std::{collections::HashMap, fs, path::Path};

use anyhow::{Context as _, Result};
use domain::ids::JobId;
use serde_json::{Map, Value, json};

/// Each run has its own file. `/proc/uptime` is a clock that all of them share and nothing sets.
pub(crate) const BEGIN: &str = r#"read -r now _ < /proc/uptime
book="$PARAM_BOOKS/$REGENTE_JOB_ID.$$.$now"
note() { read -r now _ < /proc/uptime; echo "$1 $now $REGENTE_ATTEMPT" >> "$book"; }
note begin
"#;
const SHELL: &str = r#"left=$PARAM_QUARTERS
while [ "$left" -gt 0 ]; do
  sleep 0.25
  note alive
  left=$((left - 1))
done
echo "worked on $REGENTE_JOB_ID"
if [ "$REGENTE_ATTEMPT" -le "$PARAM_FAILURES" ]; then
  note failed
  echo "this attempt is made to fail" >&2
  exit 3
fi
note effect
"#;

const PYTHON: &str = r#"import json, os, sys, time

def now():
    with open("/proc/uptime") as clock:
        return clock.read().split()[0]

book = f"{os.environ['PARAM_BOOKS']}/{os.environ['REGENTE_JOB_ID']}.{os.getpid()}.{now()}"

def note(word):
    with open(book, "a") as file:
        file.write(f"{word} {now()} {os.environ['REGENTE_ATTEMPT']}\n")

note("begin")
for _ in range(int(os.environ["PARAM_QUARTERS"])):
    time.sleep(0.25)
    note("alive")
print("worked on", os.environ["REGENTE_JOB_ID"])
try:
    with open("result.json", "w") as file:
        json.dump({"attempt": int(os.environ["REGENTE_ATTEMPT"])}, file)
except OSError as error:  # no room, perhaps
    note("failed")
    sys.exit(f"no result: {error}")
note("effect")
"#;

/// Writes the programs into `folder`.
pub(crate) fn write(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("robot.sh"), format!("{BEGIN}{SHELL}"))?;
    fs::write(folder.join("robot.py"), PYTHON)?;
    Ok(())
}

/// Parameters of a run that takes this many quarters of a second after `failures` attempts that fail.
pub(crate) fn parameters(books: &Path, quarters: u32, failures: u32) -> Map<String, Value> {
    [("books", json!(books)), ("quarters", json!(quarters)), ("failures", json!(failures))]
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .collect()
}

/// One run of a robot's program, as the program recorded it. Times are seconds since the machine started.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Run {
    pub(crate) job: JobId,
    /// When it began.
    pub(crate) from: f64,
    /// When it was last certainly alive, for the evidence.
    pub(crate) to: f64,
    /// It did its work.
    pub(crate) effects: usize,
    /// It failed on purpose, or reported that it could not continue.
    pub(crate) failed: bool,
}

/// All runs, by job.
pub(crate) fn read_books(books: &Path) -> Result<HashMap<JobId, Vec<Run>>> {
    let mut runs: HashMap<JobId, Vec<Run>> = HashMap::new();
    for entry in fs::read_dir(books).with_context(|| books.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let job = name.split('.').next().and_then(|id| id.parse().ok()).with_context(|| format!("{name} names no job"))?;
        // A program that was killed before its first line has done nothing.
        let run = parse(job, &fs::read_to_string(&path)?).with_context(|| format!("{name} cannot be read"))?;
        runs.entry(job).or_default().extend(run);
    }
    runs.values_mut().for_each(|runs| runs.sort_by(|a, b| a.from.total_cmp(&b.from)));
    Ok(runs)
}

fn parse(job: JobId, text: &str) -> Result<Option<Run>> {
    let mut run: Option<Run> = None;
    for line in text.lines() {
        let mut words = line.split(' ');
        let (Some(word), Some(at)) = (words.next(), words.next()) else { anyhow::bail!("{line:?}") };
        let at: f64 = at.parse().with_context(|| line.to_owned())?;
        let run = run.get_or_insert(Run { job, from: at, to: at, effects: 0, failed: false });
        run.to = run.to.max(at);
        run.effects += usize::from(word == "effect");
        run.failed |= word == "failed";
    }
    Ok(run)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_robot_writes_what_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        let books = folder.path().join("books");
        fs::create_dir(&books).unwrap();
        let [shell, python] = [1, 2].map(|id| JobId::new(Uuid::from_u128(id)));
        let run = |program: &str, robot: &str, job: JobId, attempt: &str| {
            let mut command = std::process::Command::new(program);
            command.arg(folder.path().join(robot)).current_dir(folder.path()).env("PARAM_BOOKS", &books).env("PARAM_QUARTERS", "1");
            command.env("PARAM_FAILURES", "1").env("REGENTE_JOB_ID", job.to_string()).env("REGENTE_ATTEMPT", attempt);
            command.output().unwrap().status.code()
        };
        assert_eq!(run("sh", "robot.sh", shell, "1"), Some(3));
        assert_eq!(run("sh", "robot.sh", shell, "2"), Some(0));
        assert_eq!(run("python3", "robot.py", python, "1"), Some(0));
        let runs = read_books(&books).unwrap();
        let recorded: Vec<_> = runs[&shell].iter().map(|run| (run.effects, run.failed)).collect();
        assert_eq!(recorded, [(0, true), (1, false)]);
        assert!(runs[&shell][0].to <= runs[&shell][1].from && runs[&shell][0].to >= runs[&shell][0].from + 0.2);
        assert_eq!((runs[&python].len(), runs[&python][0].effects), (1, 1));
    }

    #[test]
    fn a_run_without_a_word_counts_for_nothing() {
        assert_eq!(parse(Uuid::nil().into(), "").unwrap(), None);
        assert!(parse(Uuid::nil().into(), "begin").is_err());
    }
}
