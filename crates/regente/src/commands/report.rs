//! `regente report`.

use api_types::{ActivityReport, ReportFilter, RunCounts};
use chrono::NaiveDate;
use clap::Args;
use domain::{report::Period, schedule::words::Language};

use super::{
    Exit, Outcome,
    output::{Width, duration, facts, moment, table},
    remote::{Remote, parse},
};
use crate::terminal;

/// Arguments of `report`.
#[derive(Args)]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    remote: Remote,
    /// Only automations of this domain.
    #[arg(long, value_name = "SLUG")]
    domain: Option<String>,
    /// A whole week, from Monday, instead of a day.
    #[arg(long)]
    weekly: bool,
    /// A day of the period, such as 2026-11-26; by default the last period that is over.
    #[arg(long, value_name = "DATE")]
    date: Option<NaiveDate>,
    /// IANA time zone of the days; by default that of the hub's settings.
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// Print it as an HTML page.
    #[arg(long)]
    html: bool,
    /// Language of the page: pt-BR or en.
    #[arg(long, value_name = "LANGUAGE", requires = "html")]
    language: Option<Language>,
}

pub(super) async fn run(args: ReportArgs) -> Outcome {
    let (hub, is_json) = (args.remote.hub()?, args.remote.is_json());
    let ReportArgs { domain, weekly, date, timezone, html, language, .. } = args;
    let period = weekly.then_some(Period::Weekly);
    let filter = ReportFilter { domain, period, date, timezone, language };
    if html {
        let page = hub.client.report_page(&filter).text().await.map_err(|error| hub.fault(error))?;
        terminal::line(&page)?;
        return Ok(Exit::Done);
    }
    let text = hub.client.report(&filter).text().await.map_err(|error| hub.fault(error))?;
    if is_json {
        terminal::line(&text)?;
    } else {
        show(&parse(&text)?)?;
    }
    Ok(Exit::Done)
}

fn show(report: &ActivityReport) -> std::io::Result<()> {
    facts([
        ("domain", report.domain.clone()),
        ("from", Some(moment(report.from))),
        ("until", Some(moment(report.until))),
        ("runs", Some(format!("{} (before: {})", report.runs.total, report.runs_before.total))),
        ("success", Some(format!("{} (before: {})", success(&report.runs), success(&report.runs_before)))),
        ("failed", Some(report.runs.failed.to_string())),
        ("late", Some(report.late.to_string())),
        ("hours saved", Some(format!("{:.1}", report.hours_saved))),
    ])?;
    let rows: Vec<_> = report
        .automations
        .iter()
        .map(|one| {
            let (total, failed) = (one.runs.total.to_string(), one.runs.failed.to_string());
            vec![one.automation_name.clone(), total, failed, one.late.to_string(), success(&one.runs), format!("{:.1}", one.hours_saved)]
        })
        .collect();
    table(&AUTOMATIONS, &rows)?;
    if !report.failures.is_empty() {
        let row = |one: &api_types::FailureActivity| {
            vec![one.error_class.clone(), one.count.to_string(), one.job_id.to_string(), one.automation_name.clone(), one.message.clone()]
        };
        table(&FAILURES, &report.failures.iter().map(row).collect::<Vec<_>>())?;
    }
    if !report.slowest.is_empty() {
        let row = |one: &api_types::SlowAutomation| vec![one.automation_name.clone(), took(one.median_s), took(one.usual_s)];
        table(&SLOWEST, &report.slowest.iter().map(row).collect::<Vec<_>>())?;
    }
    Ok(())
}

const AUTOMATIONS: [(&str, Width); 6] = [
    ("automation", Width::Cut),
    ("runs", Width::Whole),
    ("failed", Width::Whole),
    ("late", Width::Whole),
    ("success", Width::Whole),
    ("hours saved", Width::Whole),
];
const FAILURES: [(&str, Width); 5] =
    [("failures", Width::Whole), ("runs", Width::Whole), ("last job", Width::Whole), ("automation", Width::Cut), ("message", Width::Cut)];
const SLOWEST: [(&str, Width); 3] = [("slower than usual", Width::Cut), ("took", Width::Whole), ("usually", Width::Whole)];

fn success(runs: &RunCounts) -> String {
    runs.success_percent.map_or_else(|| "–".to_owned(), |percent| format!("{percent:.1} %"))
}

fn took(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "bounded")]
    duration(chrono::TimeDelta::milliseconds((seconds.clamp(0.0, 1e12) * 1000.0) as i64))
}
