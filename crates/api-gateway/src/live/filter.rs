//! Which events a reader asked for.

use api_types::EventFilter;
use domain::{
    Fault,
    ids::{AutomationId, JobId},
};

use super::sight::Subject;

/// Items of each condition.
const MOST: usize = 100;

/// What a reader asked for: an event must satisfy every condition that is not empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Filter {
    kinds: Vec<String>,
    jobs: Vec<JobId>,
    automations: Vec<AutomationId>,
    domains: Vec<String>,
}

impl Filter {
    /// Reads what a client asked for.
    pub(super) fn new(from: EventFilter) -> Result<Self, Vec<Fault>> {
        let EventFilter { kinds, jobs, automations, domains, last_event_id: _ } = from;
        let mut faults = Vec::new();
        let counts = [("kinds", kinds.len()), ("jobs", jobs.len()), ("automations", automations.len()), ("domains", domains.len())];
        for (field, count) in counts {
            if count > MOST {
                faults.push(Fault::new(field, format!("must have at most {MOST} items")));
            }
        }
        if let Some(bad) = kinds.iter().find(|kind| !is_kind(kind)) {
            let shown: String = bad.chars().take(40).collect();
            faults.push(Fault::new("kinds", format!("must be kinds such as job.failed or job.*, not {shown:?}")));
        }
        if faults.is_empty() { Ok(Self { kinds, jobs, automations, domains }) } else { Err(faults) }
    }

    /// Whether it asks for an event.
    pub(super) fn has(&self, subject: &Subject) -> bool {
        let has_kind = |wanted: &String| match wanted.strip_suffix('*') {
            Some(prefix) => subject.kind.starts_with(prefix),
            None => *wanted == subject.kind,
        };
        let has_automation = |id: &AutomationId| subject.automation == Some(*id) || subject.places.iter().any(|placed| placed.id == *id);
        let slugs = || subject.places.iter().map(|placed| &placed.domain).chain([&subject.domain_slug]);
        let has_domain = |slug: &String| slugs().flatten().any(|domain| domain == slug);
        (self.kinds.is_empty() || self.kinds.iter().any(has_kind))
            && (self.jobs.is_empty() || subject.job.is_some_and(|job| self.jobs.contains(&job)))
            && (self.automations.is_empty() || self.automations.iter().any(has_automation))
            && (self.domains.is_empty() || self.domains.iter().any(has_domain))
    }
}

/// `noun.verb` or `noun.*`.
fn is_kind(text: &str) -> bool {
    let is_word = |word: &str| (1..=40).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    text.split_once('.').is_some_and(|(noun, verb)| is_word(noun) && (verb == "*" || is_word(verb)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use store::automations::Placed;
    use uuid::Uuid;

    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn filter(kinds: &[&str], jobs: &[u128], automations: &[i32], domains: &[&str]) -> Filter {
        let jobs = jobs.iter().map(|id| Uuid::from_u128(*id).into()).collect();
        let automations = automations.iter().map(|id| AutomationId::new(*id)).collect();
        Filter::new(EventFilter { kinds: texts(kinds), jobs, automations, domains: texts(domains), last_event_id: None }).unwrap()
    }

    fn subject(kind: &str, job: Option<u128>, automations: &[i32]) -> Subject {
        let placed = |id: &i32| {
            let domain = (*id == 8).then(|| "fiscal".to_owned());
            Arc::new(Placed { id: AutomationId::new(*id), domain, ..Placed::default() })
        };
        let places = automations.iter().map(placed).collect();
        Subject { kind: kind.to_owned(), job: job.map(|id| Uuid::from_u128(id).into()), places, ..Subject::default() }
    }

    #[test]
    fn an_event_must_satisfy_every_condition() {
        let (failed, paused) = (subject("job.failed", Some(1), &[7]), subject("queue.paused", None, &[7, 8]));
        for (filter, expected) in [
            (Filter::default(), (true, true)),
            (filter(&["job.*"], &[], &[], &[]), (true, false)),
            (filter(&["job.failed", "queue.*"], &[], &[], &[]), (true, true)),
            (filter(&["job.fail"], &[], &[], &[]), (false, false)),
            (filter(&[], &[1, 2], &[], &[]), (true, false)),
            (filter(&[], &[2], &[], &[]), (false, false)),
            (filter(&[], &[], &[8], &[]), (false, true)),
            (filter(&[], &[], &[7], &[]), (true, true)),
            (filter(&["queue.*"], &[1], &[], &[]), (false, false)),
            (filter(&[], &[], &[], &["rh", "fiscal"]), (false, true)),
            (filter(&[], &[], &[], &["rh"]), (false, false)),
        ] {
            assert_eq!((filter.has(&failed), filter.has(&paused)), expected, "{filter:?}");
        }
        let of_domain = Subject { domain_slug: Some("rh".to_owned()), ..subject("sla.created", None, &[]) };
        let [asked, other, automation] = [filter(&[], &[], &[], &["rh"]), filter(&[], &[], &[], &["fiscal"]), filter(&[], &[], &[7], &[])];
        assert_eq!([asked, other, automation].map(|filter| filter.has(&of_domain)), [true, false, false]);
    }

    #[test]
    fn faults_name_their_field() {
        for kind in ["*", "job", "job.", ".x", "Job.*", "job.f*", "job.a.b", "jobs/1"] {
            let faults = Filter::new(EventFilter { kinds: vec![kind.to_owned()], ..EventFilter::default() }).unwrap_err();
            assert_eq!(faults[0].field, "kinds", "{kind}");
        }
        let many = EventFilter { automations: vec![AutomationId::new(1); 101], ..EventFilter::default() };
        assert_eq!(Filter::new(many).unwrap_err()[0].field, "automations");
    }
}
