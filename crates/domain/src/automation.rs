//! Rules of a valid automation: names, queues, limits.

use crate::{Fault, text::has_hidden, wire::wire_names};

wire_names! {
    /// How a robot's program is started.
    pub enum EntrypointType as "EntrypointType" {
        /// A Python script, run with the worker's Python.
        Python = "PYTHON",
        /// A shell script, run with `sh`.
        Shell = "SHELL",
        /// An executable, run directly.
        Exe = "EXE",
    }
    default Python;
}

impl EntrypointType {
    /// Reads the name in any case.
    #[must_use]
    pub fn parse_in_any_case(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(name))
    }
}

wire_names! {
    /// Arguments with which the hub declares an automation's queue.
    pub enum QueueProfile as "QueueProfile" {
        /// Durable, dead-letter exchange `regente.dlx`.
        Regente = "regente",
        /// Durable, dead-letter exchange `maestro.dlx`: what workers of RPS Maestro declare.
        Maestro = "maestro",
        /// Durable, no argument.
        Plain = "plain",
    }
    default Regente;
}

/// Range of a job's priority; higher is dispatched first.
pub const PRIORITY: std::ops::RangeInclusive<i32> = 0..=9;
/// Default priority of a job.
pub const DEFAULT_PRIORITY: i32 = 5;
/// Maximum time-out in seconds: 30 days.
pub const MAX_TIMEOUT_S: i64 = 2_592_000;
/// Maximum length of an automation's name, in characters.
pub const MAX_NAME: usize = 200;

/// Fields of an automation to validate.
#[derive(Clone, Copy, Debug)]
pub struct Limits<'a> {
    /// Name.
    pub name: &'a str,
    /// Queue.
    pub queue_name: &'a str,
    /// Path of the script or program on the worker.
    pub script_path: &'a str,
    /// Priority of its jobs.
    pub priority: i32,
    /// Time limit of its jobs in seconds.
    pub timeout_s: Option<i64>,
    /// Maximum number of its jobs that run at the same time.
    pub max_concurrency: Option<i64>,
    /// Minutes that a person needs for what one of its jobs does.
    pub manual_minutes: Option<i64>,
}

impl Limits<'_> {
    /// Every fault of the fields.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut check = |fine: bool, field: &str, message: String| {
            if !fine {
                faults.push(Fault::new(field, message));
            }
        };
        let name = self.name.trim();
        check(!name.is_empty(), "name", "must not be empty".into());
        check(name.chars().count() <= MAX_NAME, "name", format!("must have at most {MAX_NAME} characters"));
        check(!has_hidden(self.name), "name", "must not contain control or invisible characters".into());
        check(is_queue_name(self.queue_name), "queue_name", QUEUE_RULE.into());
        check(self.script_path.len() <= 1024, "script_path", "must have at most 1024 bytes".into());
        check(!has_hidden(self.script_path), "script_path", "must not contain control or invisible characters".into());
        check(PRIORITY.contains(&self.priority), "priority", priority_rule());
        check(
            self.timeout_s.is_none_or(|s| (1..=MAX_TIMEOUT_S).contains(&s)),
            "timeout_s",
            format!("must be 1 to {MAX_TIMEOUT_S} seconds"),
        );
        check(self.max_concurrency.is_none_or(|n| (1..=100_000).contains(&n)), "max_concurrency", "must be 1 to 100000".into());
        check(self.manual_minutes.is_none_or(|n| (1..=100_000).contains(&n)), "manual_minutes", "must be 1 to 100000".into());
        faults
    }
}

/// The rule for priorities, as an error message.
#[must_use]
pub fn priority_rule() -> String {
    format!("must be {} to {}", PRIORITY.start(), PRIORITY.end())
}

/// The rule for queue names, as an error message.
pub const QUEUE_RULE: &str =
    "must have 1 to 200 bytes, no control or invisible characters, not start with \"amq.\" or \"regente.\", and not be \"*\"";
/// The name by which a worker claims jobs of every queue, including future ones. It must be the only one in its list.
pub const EVERY_QUEUE: &str = "*";

/// Whether an automation may use a queue of this name: RabbitMQ's rules, without the names that RabbitMQ and Regente reserve.
#[must_use]
pub fn is_queue_name(name: &str) -> bool {
    (1..=200).contains(&name.len())
        && !has_hidden(name)
        && !name.starts_with("amq.")
        && !name.starts_with("regente.")
        && name.trim().len() == name.len()
        && name != EVERY_QUEUE
}

/// Whether a worker with these queues claims jobs of every queue.
#[must_use]
pub fn is_every_queue(queues: &[String]) -> bool {
    matches!(queues, [only] if only == EVERY_QUEUE)
}

/// Every fault in the queues of a worker.
#[must_use]
pub fn queue_faults(queues: &[String]) -> Vec<Fault> {
    if is_every_queue(queues) {
        return Vec::new();
    }
    if !(1..=1000).contains(&queues.len()) {
        return vec![Fault::new("queues", "must name 1 to 1000 queues")];
    }
    let message = |queue: &str| match queue {
        EVERY_QUEUE => "\"*\" means every queue and must be the only one",
        _ => QUEUE_RULE,
    };
    let bad = queues.iter().enumerate().filter(|(_, queue)| !is_queue_name(queue));
    bad.map(|(index, queue)| Fault::new(format!("queues/{index}"), message(queue))).collect()
}

/// The default queue of an automation: its name in lower case, with `-` for every character that is not a letter or digit.
#[must_use]
pub fn default_queue_name(name: &str) -> String {
    let folded: String = name.trim().to_lowercase().chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
    let parts: Vec<_> = folded.split('-').filter(|part| !part.is_empty()).collect();
    let mut joined = parts.join("-");
    while joined.len() > 180 {
        joined.pop();
    }
    if is_queue_name(&joined) { joined } else { format!("queue-{joined}").trim_end_matches('-').to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fine() -> Limits<'static> {
        Limits {
            name: "x",
            queue_name: "q",
            script_path: "main.py",
            priority: 5,
            timeout_s: Some(1),
            max_concurrency: None,
            manual_minutes: None,
        }
    }

    #[test]
    fn each_fault_names_its_field() {
        assert_eq!(fine().faults(), []);
        let bad = Limits {
            name: " ",
            queue_name: "amq.x",
            script_path: "a\nb",
            priority: 10,
            timeout_s: Some(0),
            max_concurrency: Some(-1),
            manual_minutes: Some(0),
        };
        let fields: Vec<_> = bad.faults().into_iter().map(|fault| fault.field).collect();
        assert_eq!(fields, ["name", "queue_name", "script_path", "priority", "timeout_s", "max_concurrency", "manual_minutes"]);
    }

    #[test]
    fn queue_name_from_name() {
        assert_eq!(default_queue_name(" Baixar NF-e (SP) "), "baixar-nf-e-sp");
        assert_eq!(default_queue_name("???"), "queue");
        assert_eq!(default_queue_name("Emissão"), "emissão");
        assert!(is_queue_name(&default_queue_name(&"é".repeat(200))));
    }

    #[test]
    fn a_worker_names_its_queues_or_every_queue() {
        let faults = |queues: &[&str]| {
            let queues: Vec<String> = queues.iter().map(|queue| (*queue).to_owned()).collect();
            queue_faults(&queues).into_iter().map(|fault| fault.field).collect::<Vec<_>>()
        };
        assert_eq!((faults(&["*"]), faults(&["a", "b"])), (vec![], vec![]));
        assert_eq!(
            (faults(&[]), faults(&["a", "*"]), faults(&["*", "*"])),
            (vec!["queues".to_owned()], vec!["queues/1".to_owned()], vec!["queues/0".to_owned(), "queues/1".to_owned()])
        );
        assert_eq!(faults(&["a", "amq.x"]), ["queues/1"]);
        assert!(!is_queue_name(EVERY_QUEUE), "no automation has it");
    }
}
