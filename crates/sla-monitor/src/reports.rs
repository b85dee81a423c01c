//! Reports: how automations did in a day or a week, as JSON and as a page that mail programs show too.

mod page;
pub(crate) mod plans;
pub(crate) mod routes;

use std::{collections::HashMap, sync::Arc};

use actix_web::web::ServiceConfig;
use api_types::{ActivityReport, AutomationActivity, FailureActivity, ReportFilter, RunCounts, SlowAutomation};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Fault, Scope,
    ids::AutomationId,
    notification::words::Voice,
    report::{AutomationFigures, MAX_ROWS, Period, Report, Runs, Span, median},
    schedule::{Zone, Zones, input, words::Language},
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use runtime::{Clock, Context, Failure};
use store::{
    Database,
    domains::{self, domain_list},
    reports::{Selection, report_automations, report_durations, report_failures, report_late, report_runs},
};

pub(crate) use self::page::page;
use crate::Settings;

/// What "usual" looks back at.
const USUAL: TimeDelta = TimeDelta::days(28);
/// Runs that a median is made of, at most.
const SAMPLE: u64 = 100;
/// Automations whose durations are compared: those with the most runs.
const COMPARED: usize = 50;
/// Queries at the same time.
const AT_ONCE: usize = 4;

/// The use case. Clones share everything.
#[derive(Clone)]
pub(crate) struct Reports {
    pub(crate) database: Database,
    pub(crate) clock: Clock,
    pub(crate) zones: Arc<Zones>,
    /// The zone of reports that name none.
    pub(crate) zone: Zone,
    /// Where people reach the hub; empty: pages have no links.
    pub(crate) public_url: String,
}

/// What a report is about.
pub(crate) struct Subject {
    pub(crate) domain: Option<String>,
    pub(crate) period: Period,
    pub(crate) zone: Zone,
    pub(crate) span: Span,
}

impl Reports {
    /// The use case of this process.
    pub(crate) fn new(context: &Context, settings: &Settings) -> Self {
        Self {
            database: context.database.clone(),
            clock: context.clock.clone(),
            zones: context.zones.clone(),
            zone: context.zone.clone(),
            public_url: settings.links().unwrap_or_default(),
        }
    }

    /// The report that a query selects, of automations in scope.
    pub(crate) async fn report(&self, scope: &Scope, query: ReportFilter) -> Result<ActivityReport, Failure> {
        let period = query.period.unwrap_or_default();
        let zone = match &query.timezone {
            Some(name) => input::zone(name, &self.zones).map_err(|fault| Failure::BadQuery(vec![fault]))?,
            None => self.zone.clone(),
        };
        let span = match query.date {
            Some(date) => period.around(date, &zone),
            None => period.last((self.clock)(), &zone),
        };
        let span = span.ok_or_else(|| Failure::BadQuery(vec![Fault::new("date", "is beyond the calendar")]))?;
        if let Some(slug) = &query.domain {
            let filter = domains::Filter { slug: Some(slug.clone()), after: None, limit: 1 };
            if domain_list(&self.database, scope, &filter).await?.is_empty() {
                return Err(Failure::NotFound(format!("domain {slug}")));
            }
        }
        self.made(scope, Subject { domain: query.domain, period, zone, span }).await
    }

    /// Who tells a report.
    pub(crate) fn voice(&self, report: &ActivityReport, language: Language) -> Result<Voice, Failure> {
        let zone = input::zone(&report.timezone, &self.zones).map_err(|fault| Failure::BadQuery(vec![fault]))?;
        Ok(Voice { language, zone, now: (self.clock)() })
    }

    /// The report about a subject.
    pub(crate) async fn made(&self, scope: &Scope, subject: Subject) -> Result<ActivityReport, Failure> {
        let Subject { domain, span, .. } = &subject;
        let select = |from, until| Selection { scope, domain: domain.as_deref(), from, until };
        let (mut by_day, mut all): (Vec<Runs>, HashMap<AutomationId, AutomationFigures>) = (Vec::new(), HashMap::new());
        for day in span.bounds.windows(2) {
            let [from, until] = day else { continue };
            let mut of_day = Runs::default();
            for (id, runs) in report_runs(&self.database, &select(*from, *until)).await? {
                of_day += runs;
                all.entry(id).or_default().runs += runs;
            }
            by_day.push(of_day);
        }
        let whole = select(span.from(), span.until());
        for (id, late) in report_late(&self.database, &whole).await? {
            all.entry(id).or_default().late = late;
        }
        for (automation_id, name, manual_minutes) in report_automations(&self.database, all.keys().copied()).await? {
            let figures = all.entry(automation_id).or_default();
            (figures.automation_id, figures.name, figures.manual_minutes) = (automation_id, name, manual_minutes);
        }
        let before = subject.span.before(&subject.zone);
        let runs_before = match &before {
            Some(before) => report_runs(&self.database, &select(before.from(), before.until())).await?,
            None => HashMap::new(),
        };
        let runs_before = runs_before.into_values().fold(Runs::default(), |mut sum, runs| {
            sum += runs;
            sum
        });
        let failures = report_failures(&self.database, &whole, MAX_ROWS as u64).await?;
        let automations = self.with_durations(all.into_values().collect(), (span.from(), span.until())).await?;
        let report = Report::new(span.clone(), runs_before, by_day, automations, failures);
        Ok(to_api(subject, &report))
    }

    /// Adds how long the busiest of them took, and usually take.
    async fn with_durations(
        &self,
        mut automations: Vec<AutomationFigures>,
        (from, until): (DateTime<Utc>, DateTime<Utc>),
    ) -> Result<Vec<AutomationFigures>, Failure> {
        automations.sort_by_key(|one| std::cmp::Reverse(one.runs.completed));
        let rest = automations.split_off(automations.len().min(COMPARED));
        let took = |id, span| async move { Ok::<_, Failure>(median(report_durations(&self.database, id, span, SAMPLE).await?)) };
        let compared = stream::iter(automations).map(|mut one| async move {
            one.median_s = took(one.automation_id, (from, until)).await?;
            if one.median_s.is_some() {
                one.usual_s = took(one.automation_id, (from - USUAL, from)).await?;
            }
            Ok::<_, Failure>(one)
        });
        let mut automations: Vec<_> = compared.buffer_unordered(AT_ONCE).try_collect().await?;
        automations.extend(rest);
        Ok(automations)
    }
}

fn to_api(subject: Subject, report: &Report) -> ActivityReport {
    let Subject { domain, period, zone, span } = subject;
    let names: HashMap<AutomationId, &str> = report.automations.iter().map(|one| (one.automation_id, one.name.as_str())).collect();
    let name = |id: AutomationId| names.get(&id).map(|name| (*name).to_owned()).unwrap_or_default();
    let automation = |one: &AutomationFigures| AutomationActivity {
        automation_id: one.automation_id,
        automation_name: one.name.clone(),
        runs: counts(&one.runs),
        late: one.late,
        hours_saved: one.hours_saved(),
    };
    let failure = |one: &domain::report::FailureClass| FailureActivity {
        error_class: one.error_class.clone(),
        count: one.count,
        job_id: one.example,
        automation_id: one.automation_id,
        automation_name: name(one.automation_id),
        message: one.message.clone(),
    };
    let slow = |one: &AutomationFigures| {
        let (median_s, usual_s) = one.median_s.zip(one.usual_s)?;
        Some(SlowAutomation { automation_id: one.automation_id, automation_name: one.name.clone(), median_s, usual_s })
    };
    ActivityReport {
        domain,
        period,
        timezone: zone.name().to_owned(),
        first_day: span.first,
        from: span.from(),
        until: span.until(),
        runs: counts(&report.runs),
        runs_before: counts(&report.runs_before),
        by_day: report.by_day.iter().map(counts).collect(),
        late: report.late,
        hours_saved: report.hours_saved,
        automations: report.automations.iter().map(automation).collect(),
        failures: report.failures.iter().map(failure).collect(),
        slowest: report.slowest().into_iter().filter_map(slow).collect(),
    }
}

fn counts(runs: &Runs) -> RunCounts {
    let Runs { completed, no_data, failed, canceled } = *runs;
    let success_percent = runs.success_percent();
    RunCounts { total: runs.total(), completed, completed_no_invoices: no_data, failed, canceled, success_percent }
}

/// The description of the routes.
#[derive(utoipa::OpenApi)]
#[openapi(paths(routes::get, routes::page), components(schemas(api_types::Problem)))]
pub(crate) struct Description;

/// The routes.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config.service(routes::page).service(routes::get);
}
