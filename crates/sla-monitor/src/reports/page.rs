//! A report as a page: tables and inline styles, which is what mail programs show; bars are cells of a width.

use api_types::{ActivityReport, RunCounts};
use chrono::{Datelike as _, Days, NaiveDate, TimeDelta};
use domain::{
    notification::words::Voice,
    report::{MAX_ROWS, Period},
    schedule::words::Language,
};
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior, Value, context};

const TEMPLATE: &str = include_str!("page.html");

/// Weekdays from Monday.
const DAYS: [[&str; 2]; 7] =
    [["seg", "Mon"], ["ter", "Tue"], ["qua", "Wed"], ["qui", "Thu"], ["sex", "Fri"], ["sáb", "Sat"], ["dom", "Sun"]];

/// The page. `url` is where people reach the hub; empty: the page has no links.
///
/// # Errors
/// A fault of the template.
pub(crate) fn page(report: &ActivityReport, voice: &Voice, url: &str) -> Result<String, Error> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.render_named_str("page.html", TEMPLATE, variables(report, voice, url))
}

/// The title: what, of when.
pub(crate) fn title(report: &ActivityReport, language: Language) -> String {
    let whose = report.domain.as_deref().map(|domain| format!(" · {domain}")).unwrap_or_default();
    let first = date(report.first_day, language);
    let last = report.first_day.checked_add_days(Days::new(6)).map(|day| date(day, language)).unwrap_or_default();
    match (report.period, language) {
        (Period::Daily, Language::Pt) => format!("Relatório de {first}{whose}"),
        (Period::Daily, Language::En) => format!("Report for {first}{whose}"),
        (Period::Weekly, Language::Pt) => format!("Relatório da semana de {first} a {last}{whose}"),
        (Period::Weekly, Language::En) => format!("Report for the week of {first} to {last}{whose}"),
    }
}

/// The same in plain words.
pub(crate) fn text(report: &ActivityReport, voice: &Voice) -> String {
    let words: std::collections::HashMap<&str, &str> = Words::of(voice.language).0.into_iter().collect();
    let word = |key: &str| words.get(key).copied().unwrap_or_default();
    if report.runs.total == 0 {
        return word("none").to_owned();
    }
    let before = |text: String| format!("({}: {text})", word("before"));
    let mut lines = vec![
        format!("- {}: {} {}", word("runs"), grouped(report.runs.total, voice), before(grouped(report.runs_before.total, voice))),
        format!("- {}: {} {}", word("success"), success(&report.runs, voice), before(success(&report.runs_before, voice))),
        format!("- {}: {}", word("failed"), grouped(report.runs.failed, voice)),
        format!("- {}: {}", word("late"), grouped(report.late, voice)),
        format!("- {}: {}", word("saved"), voice.number(report.hours_saved)),
    ];
    if !report.failures.is_empty() {
        lines.push(format!("\n{}:\n", word("failures")));
        lines.extend(report.failures.iter().map(|one| {
            format!("- {} × {}, {}: {}", grouped(one.count, voice), one.error_class, one.automation_name, shortened(&one.message))
        }));
    }
    lines.join("\n")
}

/// The page of a report in the browser; `None`: nobody knows where people reach the hub.
pub(crate) fn address(report: &ActivityReport, url: &str) -> Option<String> {
    let domain = report.domain.as_deref().map(|slug| format!("&domain={slug}")).unwrap_or_default();
    let zone = report.timezone.replace('/', "%2F").replace('+', "%2B");
    (!url.is_empty()).then(|| format!("{url}/reports?period={}&date={}&timezone={zone}{domain}", report.period.as_str(), report.first_day))
}

fn date(day: NaiveDate, language: Language) -> String {
    match language {
        Language::Pt => day.format("%d/%m/%Y").to_string(),
        Language::En => day.format("%-d %b %Y").to_string(),
    }
}

fn variables(report: &ActivityReport, voice: &Voice, url: &str) -> Value {
    let link = |path: String| if url.is_empty() { String::new() } else { format!("{url}{path}") };
    let most = report.by_day.iter().map(|runs| runs.total).max().unwrap_or_default();
    let first = report.first_day;
    let days = (0_u64..).zip(&report.by_day).map(|(number, runs)| {
        let day = first.checked_add_days(Days::new(number)).unwrap_or(first);
        let name = DAYS.get(day.weekday().num_days_from_monday() as usize).map_or("", |names| names[index(voice.language)]);
        context! { name => format!("{name} {}", day.day()), total => runs.total, failed => runs.failed, good => share(runs.total - runs.failed, most), bad => share(runs.failed, most) }
    });
    let automations = report.automations.iter().take(MAX_ROWS).map(|one| {
        context! {
            name => one.automation_name.as_str(), url => link(format!("/automations/{}", one.automation_id)), total => one.runs.total,
            failed => one.runs.failed, late => one.late, success => success(&one.runs, voice),
            good => share(one.runs.total - one.runs.failed, one.runs.total), bad => share(one.runs.failed, one.runs.total),
        }
    });
    let failures = report.failures.iter().map(|one| {
        context! {
            class => one.error_class.as_str(), count => one.count, name => one.automation_name.as_str(), message => shortened(&one.message),
            url => link(format!("/jobs/{}", one.job_id)),
        }
    });
    let slowest = report.slowest.iter().map(|one| {
        context! { name => one.automation_name.as_str(), url => link(format!("/automations/{}", one.automation_id)), took => duration(one.median_s, voice), usual => duration(one.usual_s, voice),
        times => voice.number(one.median_s / one.usual_s) }
    });
    context! {
        language => voice.language.as_str(),
        title => title(report, voice.language),
        words => Words::of(voice.language).value(),
        grouped => context! {
            total => grouped(report.runs.total, voice), before => grouped(report.runs_before.total, voice),
            failed => grouped(report.runs.failed, voice), late => grouped(report.late, voice),
        },
        success => success(&report.runs, voice),
        success_before => success(&report.runs_before, voice),
        saved => voice.number(report.hours_saved),
        days => if report.by_day.len() > 1 { days.collect::<Vec<_>>() } else { Vec::new() },
        automations => automations.collect::<Vec<_>>(),
        more => Some(report.automations.len().saturating_sub(MAX_ROWS)).filter(|more| *more > 0).map_or_else(String::new, |more| voice.and_more(more)),
        failures => failures.collect::<Vec<_>>(),
        slowest => slowest.collect::<Vec<_>>(),
        timezone => report.timezone.as_str(),
        url => address(report, url).unwrap_or_default(),
    }
}

const fn index(language: Language) -> usize {
    match language {
        Language::Pt => 0,
        Language::En => 1,
    }
}

/// Percent of the width of a bar; what is there is seen.
fn share(part: u64, whole: u64) -> u64 {
    let percent = (part * 100).checked_div(whole).unwrap_or_default();
    if part > 0 { percent.max(1) } else { 0 }
}

fn grouped(count: u64, voice: &Voice) -> String {
    #[expect(clippy::cast_precision_loss, reason = "counts of runs are far below 2^52")]
    voice.number(count as f64)
}

fn success(runs: &RunCounts, voice: &Voice) -> String {
    runs.success_percent.map_or_else(|| "–".to_owned(), |percent| format!("{}%", voice.number(percent)))
}

fn duration(seconds: f64, voice: &Voice) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "bounded")]
    voice.duration(TimeDelta::seconds(seconds.clamp(0.0, 1e12).round() as i64))
}

/// The beginning of a message, in one line.
fn shortened(message: &str) -> String {
    domain::notification::words::one_line(message, 160)
}

/// The page's own words.
struct Words([(&'static str, &'static str); 18]);

impl Words {
    const fn of(language: Language) -> Self {
        match language {
            Language::Pt => Self([
                ("runs", "Execuções"),
                ("success", "Sucesso"),
                ("failed", "Falhas"),
                ("late", "Atrasos"),
                ("saved", "Horas poupadas"),
                ("before", "período anterior"),
                ("days", "Por dia"),
                ("automations", "Automações"),
                ("prior", "antes"),
                ("failures", "Falhas mais frequentes"),
                ("example", "exemplo"),
                ("slowest", "Mais lentas que o normal"),
                ("usual", "normal"),
                ("none", "Nada foi executado."),
                ("well", "Nenhuma falha."),
                ("open", "Abrir no Regente"),
                ("zone", "Horários de"),
                ("times", "vezes"),
            ]),
            Language::En => Self([
                ("runs", "Runs"),
                ("success", "Success"),
                ("failed", "Failures"),
                ("late", "Late"),
                ("saved", "Hours saved"),
                ("before", "period before"),
                ("days", "By day"),
                ("automations", "Automations"),
                ("prior", "before"),
                ("failures", "Most frequent failures"),
                ("example", "example"),
                ("slowest", "Slower than usual"),
                ("usual", "usually"),
                ("none", "Nothing ran."),
                ("well", "No failures."),
                ("open", "Open in Regente"),
                ("zone", "Times of"),
                ("times", "times"),
            ]),
        }
    }

    fn value(self) -> Value {
        Value::from_pairs(self.0)
    }
}

#[cfg(test)]
mod tests {
    use api_types::{AutomationActivity, FailureActivity, SlowAutomation};
    use domain::schedule::Zones;

    use super::*;

    fn voice(language: Language) -> Voice {
        Voice { language, zone: Zones::bundled().get("America/Sao_Paulo").unwrap(), now: "2026-11-27T10:00:00Z".parse().unwrap() }
    }

    fn runs(completed: u64, failed: u64) -> RunCounts {
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let success_percent = Some(completed as f64 * 100.0 / (completed + failed) as f64);
        RunCounts { total: completed + failed, completed, failed, success_percent, ..RunCounts::default() }
    }

    fn report() -> ActivityReport {
        let id = 7.into();
        ActivityReport {
            domain: Some("financeiro".to_owned()),
            period: Period::Weekly,
            timezone: "America/Sao_Paulo".to_owned(),
            first_day: "2026-11-16".parse().unwrap(),
            from: "2026-11-16T03:00:00Z".parse().unwrap(),
            until: "2026-11-23T03:00:00Z".parse().unwrap(),
            runs: runs(1150, 50),
            runs_before: runs(900, 0),
            by_day: vec![runs(200, 0), runs(150, 50), runs(200, 0), runs(200, 0), runs(200, 0), runs(199, 1), runs(1, 0)],
            late: 2,
            hours_saved: 287.5,
            automations: vec![AutomationActivity {
                automation_id: id,
                automation_name: "Notas <script>alert(1)</script>".to_owned(),
                runs: runs(1150, 50),
                late: 2,
                hours_saved: 287.5,
            }],
            failures: vec![FailureActivity {
                error_class: "PORTAL_DOWN".to_owned(),
                count: 50,
                job_id: "01a21749-2a63-779f-ab46-13353511a248".parse().unwrap(),
                automation_id: id,
                automation_name: "Notas".to_owned(),
                message: "503 & \"down\"".to_owned(),
            }],
            slowest: vec![SlowAutomation { automation_id: id, automation_name: "Notas".to_owned(), median_s: 600.0, usual_s: 240.0 }],
        }
    }

    #[test]
    fn it_says_what_happened_in_the_reader_s_language() {
        let page = page(&report(), &voice(Language::Pt), "https://hub.example.com").unwrap().replace("&#x2f;", "/");
        for text in [
            "Relatório da semana de 16/11/2026 a 22/11/2026 · financeiro",
            "1.200",
            "Execuções",
            "Mais lentas que o normal",
            "95,8%",
            "287,5",
            "PORTAL_DOWN",
            "10 min",
            "4 min",
            "2,5",
            "sáb 21",
            "https://hub.example.com/jobs/01a21749-2a63-779f-ab46-13353511a248",
        ] {
            assert!(page.contains(text), "{text}: {page}");
        }
        let english = super::page(&report(), &voice(Language::En), "").unwrap();
        assert!(
            english.contains("Report for the week of 16 Nov 2026 to 22 Nov 2026 · financeiro") && english.contains("95.8%"),
            "{english}"
        );
        assert!(!english.contains("<a "), "no links without an address");
    }

    #[test]
    fn names_and_messages_are_text() {
        let page = page(&report(), &voice(Language::En), "https://hub.example.com").unwrap();
        assert!(!page.contains("<script") && page.contains("&lt;script&gt;") && page.contains("503 &amp; &quot;down&quot;"), "{page}");
    }

    #[test]
    fn bars_show_what_is_little() {
        assert_eq!((share(1, 1000), share(0, 1000), share(500, 1000), share(0, 0)), (1, 0, 50, 0));
    }

    #[test]
    fn a_day_without_runs_says_so() {
        let empty = ActivityReport {
            period: Period::Daily,
            runs: RunCounts::default(),
            by_day: vec![RunCounts::default()],
            automations: Vec::new(),
            failures: Vec::new(),
            slowest: Vec::new(),
            late: 0,
            hours_saved: 0.0,
            ..report()
        };
        let page = page(&empty, &voice(Language::Pt), "").unwrap().replace("&#x2f;", "/");
        assert!(page.contains("Nada foi executado.") && page.contains("Relatório de 16/11/2026"), "{page}");
    }
}
