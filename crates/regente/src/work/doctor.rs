//! `regente worker doctor`.

use std::process::ExitCode;

use clap::Args;
use worker_agent::doctor::{Finding, Verdict, examine};

use super::args::{DEFAULT_LOG, WorkerOptions};
use crate::terminal;

/// Options of the check.
#[derive(Args)]
pub(super) struct DoctorArgs {
    /// Queues that the worker will take jobs from.
    #[arg(long = "queue", env = "REGENTE_QUEUES", num_args = 1.., value_delimiter = ',', value_name = "NAME")]
    queues: Vec<String>,
    /// Print the findings as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    options: WorkerOptions,
}

/// Prints the findings. The exit code is 1 when the worker would not work.
pub(super) fn run(args: DoctorArgs) -> anyhow::Result<ExitCode> {
    // The findings suffice, unless a log filter is given.
    let filter = if args.options.log == DEFAULT_LOG { "off" } else { &args.options.log };
    telemetry::init(filter, args.options.log_format)?;
    // Everything else can be checked without a queue.
    let queues = if args.queues.is_empty() { vec!["any".to_owned()] } else { args.queues };
    let settings = args.options.settings(queues)?;
    let findings = super::runtime()?.block_on(examine(&settings));
    if args.json {
        terminal::line(&serde_json::to_string_pretty(&findings)?)?;
    } else {
        terminal::line(&text(&findings))?;
    }
    let failed = findings.iter().any(|finding| finding.verdict == Verdict::Fail);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn text(findings: &[Finding]) -> String {
    let mut lines = Vec::new();
    for Finding { check, verdict, message, remedy } in findings {
        let word = match verdict {
            Verdict::Ok => "ok",
            Verdict::Warn => "warn",
            Verdict::Fail => "FAIL",
        };
        lines.push(format!("{word:<5} {check:<12} {message}"));
        lines.extend(remedy.iter().map(|remedy| format!("{:18} -> {remedy}", "")));
    }
    let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    lines.push(match (count(Verdict::Fail), count(Verdict::Warn)) {
        (0, 0) => "all is well".to_owned(),
        (0, warnings) => format!("the worker can work; {warnings} warnings"),
        (faults, warnings) => format!("the worker cannot work: {faults} faults, {warnings} warnings"),
    });
    lines.join("\n")
}
