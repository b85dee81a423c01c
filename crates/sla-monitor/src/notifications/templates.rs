//! Texts of a channel that people edit: templates in the language of Jinja.
//!
//! What must hold: a template reads what it is given and nothing else (no file, no other template), and takes bounded time and memory ([`FUEL`]); a
//! name that there is not is a fault, with its line, when the channel is saved.

use std::collections::BTreeMap;

use domain::{
    Fault,
    alert::{AlertSource, AlertStatus, AlertType, Facts, Resolution, Severity},
    ids::AlertId,
    notification::{
        Brief, Message, NoticeKind,
        words::{Voice, one_line},
    },
    schedule::words::Language,
};
use minijinja::{Environment, Error, UndefinedBehavior, Value, context};
use uuid::Uuid;

/// Bounds time and memory of a template: so many instructions, or 64 times as many bytes.
const FUEL: u64 = 50_000;
/// Nested blocks of a template.
const MAX_DEPTH: usize = 50;
/// Longest title, in characters.
const MAX_TITLE: usize = 200;
/// Longest text, in characters.
const MAX_TEXT: usize = 20_000;
/// Kinds of messages whose texts may be replaced.
const KINDS: [NoticeKind; 6] =
    [NoticeKind::Opened, NoticeKind::Reminded, NoticeKind::Escalated, NoticeKind::Acknowledged, NoticeKind::Resolved, NoticeKind::Digest];

/// What a template replaces: `opened.title`, `digest.text`.
fn parsed(name: &str) -> Option<(NoticeKind, bool)> {
    let (kind, part) = name.split_once('.')?;
    let kind = NoticeKind::parse(kind).filter(|kind| KINDS.contains(kind))?;
    match part {
        "title" => Some((kind, true)),
        "text" => Some((kind, false)),
        _ => None,
    }
}

/// The faults of these templates, by name: each is tried with examples.
pub(crate) fn faults(templates: &BTreeMap<String, String>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (name, source) in templates {
        let field = format!("templates/{}", name.replace('~', "~0").replace('/', "~1"));
        let Some((kind, _)) = parsed(name) else {
            let kinds: Vec<&str> = KINDS.iter().map(|kind| kind.as_str()).collect();
            faults.push(Fault::new(field, format!("must be named <kind>.title or <kind>.text; the kinds are {}", kinds.join(", "))));
            continue;
        };
        let examples = examples(kind);
        let failed = examples.iter().find_map(|(voice, message)| render(source, voice, message).err());
        faults.extend(failed.map(|error| Fault::new(field, told(&error))));
    }
    faults
}

/// What is wrong with a template, with its line.
fn told(error: &Error) -> String {
    let what = error.detail().map_or_else(|| error.kind().to_string(), |detail| format!("{}: {detail}", error.kind()));
    match error.line() {
        Some(line) => format!("line {line}: {what}"),
        None => what,
    }
}

/// Replaces title and text of a message by what its templates say.
///
/// # Errors
/// The template that failed, and why: nothing is replaced.
pub(crate) fn apply(templates: &BTreeMap<String, String>, voice: &Voice, message: &mut Message) -> Result<(), String> {
    let of = |part: &str| {
        let name = format!("{}.{part}", message.kind);
        let source = templates.get(&name)?;
        Some(render(source, voice, message).map_err(|error| format!("{name}: {}", told(&error))))
    };
    let (title, text) = (of("title").transpose()?, of("text").transpose()?);
    // An empty title is none that people can read.
    if let Some(title) = title.map(|title| one_line(&title, MAX_TITLE)).filter(|title| !title.is_empty()) {
        message.title = title;
    }
    if let Some(text) = text {
        message.text = text.trim().chars().take(MAX_TEXT).collect();
    }
    Ok(())
}

fn render(source: &str, voice: &Voice, message: &Message) -> Result<String, Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // Channels escape for themselves: a title is no HTML.
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(MAX_DEPTH);
    environment.render_named_str("template", source, variables(voice, message))
}

/// What templates may use. Times are local texts; absent values are empty texts, so that a strict template may test them.
fn variables(voice: &Voice, message: &Message) -> Value {
    let alerts: Vec<Value> = message.alerts.iter().map(|alert| variables_of(voice, alert)).collect();
    context! {
        kind => message.kind.as_str(),
        language => message.language.as_str(),
        title => message.title.as_str(),
        text => message.text.as_str(),
        severity => message.severity.as_str(),
        url => message.url.as_deref().unwrap_or_default(),
        count => message.alerts.len() + message.more,
        more => message.more,
        alert => alerts.first().cloned().unwrap_or_default(),
        alerts => alerts,
    }
}

fn variables_of(voice: &Voice, alert: &Brief) -> Value {
    let facts = &alert.facts;
    let time = |at: Option<chrono::DateTime<chrono::Utc>>| at.map(|at| voice.time(at)).unwrap_or_default();
    context! {
        id => alert.id.to_string(),
        key => alert.key.as_str(),
        type => alert.alert_type.as_str(),
        severity => alert.severity.as_str(),
        status => alert.status.as_str(),
        source => alert.source.as_str(),
        title => alert.title.as_str(),
        subject => alert.subject.as_str(),
        domain => alert.domain.as_deref().unwrap_or_default(),
        labels => alert.labels.clone(),
        rule => alert.rule.as_deref().unwrap_or_default(),
        note => alert.note.as_str(),
        by => alert.by.as_deref().unwrap_or_default(),
        count => alert.count,
        url => alert.url.as_deref().unwrap_or_default(),
        job_urls => alert.job_urls.clone(),
        opened_at => voice.time(alert.opened_at),
        resolved_at => time(alert.resolved_at),
        lasted => alert.resolved_at.map(|end| voice.duration(end - alert.opened_at)).unwrap_or_default(),
        expected_at => time(facts.expected_at),
        predicted_at => time(facts.predicted_at),
        last_success_at => time(facts.last_success_at),
        last_seen_at => time(facts.last_seen_at),
        measured => facts.measured.map(|figure| voice.number(figure)).unwrap_or_default(),
        limit => facts.limit.map(|figure| voice.number(figure)).unwrap_or_default(),
        error_class => facts.error_class.as_deref().unwrap_or_default(),
        error_message => facts.error_message.as_deref().unwrap_or_default(),
        summary => facts.summary.as_deref().unwrap_or_default(),
    }
}

/// Messages that a template of this kind is tried with: one alert with every figure and, where a message may have them, several.
fn examples(kind: NoticeKind) -> Vec<(Voice, Message)> {
    let voice = Voice { language: Language::Pt, zone: domain::schedule::Zone::utc(), now: chrono::DateTime::UNIX_EPOCH };
    let alerts = [AlertType::Late, AlertType::Failure, AlertType::WorkerDown].map(|alert_type| example(alert_type, kind, &voice));
    let of = |alerts: &[Brief], more| {
        let (title, text) = (voice.headline(kind, alerts, more), voice.text(kind, alerts, more));
        let (at, language, id) = (voice.now, voice.language, Uuid::nil().into());
        let (alerts, severity) = (alerts.to_vec(), Severity::Error);
        Message { id, kind, at, language, severity, title, text, html: None, alerts, more, url: None, reference: None }
    };
    let examples = [of(&alerts[..1], 0), of(&alerts, 0), of(&alerts, 3)];
    examples.into_iter().map(|message| (voice.clone(), message)).collect()
}

/// An alert of this type, for previews and trials of templates.
pub(super) fn example(alert_type: AlertType, kind: NoticeKind, voice: &Voice) -> Brief {
    let minutes = chrono::TimeDelta::minutes;
    let is_over = kind == NoticeKind::Resolved;
    let status = match kind {
        NoticeKind::Resolved => AlertStatus::Resolved,
        NoticeKind::Acknowledged => AlertStatus::Acknowledged,
        _ => AlertStatus::Open,
    };
    let mut alert = Brief {
        id: AlertId::new(Uuid::nil()),
        key: format!("{}/{alert_type}/automation:7", Uuid::nil()),
        alert_type,
        severity: if kind == NoticeKind::Escalated { Severity::Critical } else { Severity::Error },
        status,
        source: AlertSource::Regente,
        title: String::new(),
        subject: if alert_type == AlertType::WorkerDown { "robo-01".to_owned() } else { "Faturamento".to_owned() },
        automation_id: Some(7.into()),
        domain: Some("Fiscal".to_owned()),
        labels: vec!["sap".to_owned()],
        rule: Some("Faturamento diário".to_owned()),
        opened_at: voice.now - minutes(20),
        resolved_at: is_over.then_some(voice.now),
        resolution: is_over.then_some(Resolution::Recovered),
        by: (kind == NoticeKind::Acknowledged).then(|| "Ana".to_owned()),
        count: 1,
        facts: example_facts(alert_type, voice),
        note: "1. Veja se o SAP responde\n2. Rode de novo".to_owned(),
        url: None,
        job_urls: Vec::new(),
    };
    alert.title = voice.title(&alert);
    alert
}

fn example_facts(alert_type: AlertType, voice: &Voice) -> Facts {
    use domain::alert::Unit;
    let (late, minutes) = (alert_type == AlertType::Late, chrono::TimeDelta::minutes);
    let (measured, limit, unit) = match alert_type {
        AlertType::Duration | AlertType::DurationAnomaly => (Some(4200.0), Some(3600.0), Some(Unit::Seconds)),
        AlertType::QueueBacklog => (Some(1200.0), Some(1000.0), Some(Unit::Jobs)),
        AlertType::FailureStreak => (Some(5.0), Some(3.0), Some(Unit::Jobs)),
        _ => (None, None, None),
    };
    let fails = matches!(alert_type, AlertType::Failure | AlertType::FailureStreak);
    Facts {
        expected_at: (late || alert_type == AlertType::SlaForecast).then(|| voice.now - minutes(20)),
        predicted_at: (alert_type == AlertType::SlaForecast).then_some(voice.now),
        certainty: (alert_type == AlertType::SlaForecast).then_some(0.85),
        last_success_at: late.then(|| voice.now - minutes(1460)),
        last_seen_at: (alert_type == AlertType::WorkerDown).then(|| voice.now - minutes(20)),
        error_class: fails.then(|| "SYSTEM".to_owned()),
        error_message: fails.then(|| "SAP não respondeu".to_owned()),
        measured,
        limit,
        unit,
        ..Facts::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn templates(name: &str, source: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(name.to_owned(), source.to_owned())])
    }

    fn fault(name: &str, source: &str) -> Fault {
        let faults = faults(&templates(name, source));
        assert_eq!(faults.len(), 1, "{source}: {faults:?}");
        faults[0].clone()
    }

    fn rendered(source: &str) -> Message {
        let (voice, mut message) = examples(NoticeKind::Opened).remove(0);
        apply(&templates("opened.title", source), &voice, &mut message).unwrap();
        message
    }

    #[test]
    fn a_template_replaces_what_it_is_named_after() {
        let message = rendered("[{{ alert.severity | upper }}] {{ alert.subject }}: {{ alert.expected_at }}");
        assert_eq!(message.title, "[ERROR] Faturamento: 23:40 de 31/12/1969");
        assert!(message.text.contains("Gravidade"), "the text is the built-in one: {}", message.text);
        let (voice, mut other) = examples(NoticeKind::Resolved).remove(0);
        let before = other.clone();
        apply(&templates("opened.title", "x"), &voice, &mut other).unwrap();
        assert_eq!(other, before);
    }

    #[test]
    fn a_title_stays_one_line_and_is_not_empty() {
        assert_eq!(rendered("a\r\nBcc: x\n{{ alert.subject }}").title, "a Bcc: x Faturamento");
        assert!(rendered("  \n ").title.starts_with("Faturamento está atrasado"));
    }

    #[test]
    fn each_fault_names_the_template_and_the_line() {
        for (source, expected) in [
            ("a\n{{ alert.subjet }}", "line 2: "),
            ("{% if %}", "line 1: syntax error"),
            ("a\n\n{{ nothing }}", "line 3: undefined value"),
            ("{% include 'x' %}", "line 1: "),
            ("{{ alert | no_such_filter }}", "line 1: "),
        ] {
            let fault = fault("opened.text", source);
            assert!(fault.field == "templates/opened.text" && fault.message.starts_with(expected), "{source}: {fault:?}");
        }
        assert!(fault("opened", "x").message.contains("<kind>.title"), "no part");
        assert_eq!(fault("test.title", "x").field, "templates/test.title");
        let fine = "{% for alert in alerts %}- {{ alert.title }}{% if alert.note %}: {{ alert.note }}{% endif %}\n{% endfor %}{{ more }}";
        assert_eq!(faults(&templates("digest.text", fine)), []);
    }

    #[test]
    fn a_template_takes_bounded_time_and_memory() {
        let doubling = format!("{{% set x = 'aaaaaaaa' %}}{}{{{{ x }}}}", "{% set x = x ~ x %}".repeat(40));
        for endless in [
            "{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}",
            "{{ 'x' * 1000000000 }}",
            doubling.as_str(),
            "{{ ('a' * 10000) | replace('a', 'a' * 10000) | replace('a', 'a' * 10000) }}",
        ] {
            fault("opened.text", endless);
        }
    }

    #[test]
    fn every_type_of_alert_has_an_example() {
        let (voice, _) = examples(NoticeKind::Opened).remove(0);
        for alert_type in AlertType::ALL {
            for kind in KINDS {
                assert!(!example(alert_type, kind, &voice).title.is_empty(), "{alert_type} {kind}");
            }
        }
    }
}
