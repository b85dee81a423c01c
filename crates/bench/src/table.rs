//! The report as Markdown.

mod rows;

use std::fmt::Write as _;

use crate::{measure::published::Published, report::Report, stats::median};

/// One figure beside its target.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) figure: String,
    pub(crate) regente: String,
    pub(crate) floor: String,
    pub(crate) ratio: String,
    pub(crate) target: Option<Target>,
}

/// A target, and whether it is met.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) text: String,
    pub(crate) met: bool,
}

/// All tables.
pub(crate) fn render(report: &Report) -> String {
    let mut text = head(report);
    text.push_str("| figure | Regente | floor | ratio | target | |\n|---|--:|--:|--:|--:|---|\n");
    text.push_str(&lines(&rows::all(report)));
    let crowd = report.crowd.iter().flat_map(rows::crowd::rows);
    let many: Vec<Row> = crowd.chain(report.watchers.iter().flat_map(rows::watchers::rows)).collect();
    if !many.is_empty() {
        text.push_str("\n| many at once | | target | |\n|---|--:|--:|---|\n");
        for row in many {
            let (target, verdict) = judged(&row);
            let _ = writeln!(text, "| {} | {} | {target} | {verdict} |", row.figure, row.regente);
        }
    }
    if let Some(schedules) = &report.schedules {
        let _ = writeln!(text, "\n| schedules | Regente | {} | ratio | target | |\n|---|--:|--:|--:|--:|---|", schedules.peer);
        text.push_str(&lines(&rows::schedules::rows(schedules)));
    }
    if let Some(published) = &report.published {
        text.push_str(&others(published, report.machine.cores));
    }
    text
}

/// Rows with another program beside Regente.
fn lines(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        let (target, verdict) = judged(row);
        let _ = writeln!(text, "| {} | {} | {} | {} | {target} | {verdict} |", row.figure, row.regente, row.floor, row.ratio);
    }
    text
}

fn judged(row: &Row) -> (&str, &'static str) {
    match &row.target {
        Some(Target { text, met }) => (text, if *met { "met" } else { "**missed**" }),
        None => ("", ""),
    }
}

fn head(report: &Report) -> String {
    let machine = &report.machine;
    let options = &report.options;
    let busy = rows::others_busy(report);
    format!(
        "{} on {} × {}, {:.0} GiB, Linux {}; PostgreSQL {} ({}), RabbitMQ {}; {} jobs × {} rounds, {} submitters, {} slots (floor: {}).{}\n\n",
        report.started_at,
        machine.cores,
        machine.cpu,
        machine.memory_gib,
        machine.kernel,
        machine.postgresql,
        machine.durability,
        machine.rabbitmq,
        options.jobs,
        options.rounds,
        options.submitters,
        options.slots,
        options.floor_slots,
        if busy > 0.15 { format!(" Other programs kept up to {busy:.1} processors busy meanwhile.") } else { String::new() },
    )
}

/// Published by others, on a machine with 2 virtual processors: seconds for 40 light jobs and for 10 long ones.
const OTHERS: [(&str, f64, f64); 6] = [
    ("Airflow", 116.2, 54.7),
    ("Kestra", 6.0, 15.8),
    ("Prefect", 4.9, 15.5),
    ("Windmill", 4.4, 8.3),
    ("Temporal", 3.0, 7.2),
    ("Hatchet", 1.2, 7.8),
];

fn others(published: &Published, cores: usize) -> String {
    let python = "Python, one after the other, each in a fresh process";
    let mut text = format!("\n| {python} | 40 × `fibo(10)`, s | 10 × `fibo(33)`, s |\n|---|--:|--:|\n");
    for (name, light, long) in OTHERS {
        let _ = writeln!(text, "| {name} (published, 2 vCPU) | {light:.1} | {long:.1} |");
    }
    let ours = [
        (format!("Regente ({cores} CPU, here)"), &published.light_s, &published.long_s),
        ("the same programs without an orchestrator, here".to_owned(), &published.bare_light_s, &published.bare_long_s),
    ];
    for (name, light, long) in ours {
        let _ = writeln!(text, "| {name} | {:.2} | {:.2} |", median(light), median(long));
    }
    let _ = writeln!(
        text,
        "\nJobs that sleep 100 ms on 100 slots: {:.0} a second, of 1000 possible (Windmill, published: 981). They sleep in the worker's own \
         process, with the real agent around them.",
        median(&published.sleep_jobs_per_s)
    );
    text
}
