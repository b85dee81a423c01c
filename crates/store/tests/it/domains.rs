//! Domains, and what they and labels mean for scopes and for who may write an automation.

use domain::{
    Scope,
    alert::Terms,
    ids::{AutomationId, DomainId, UserId},
    permission::{Grant, GrantSource, Grantee, Right, Role, Where},
    scope::Places,
    sla::{Expectations, Rule, Target},
};
use sea_orm::ConnectionTrait;
use store::{
    Error,
    automations::{self, Draft, automation_get, automation_insert, automation_list, automation_update},
    changes::{Subject, change_count},
    domains::{self, Deletion, Domain, domain_delete, domain_get, domain_insert, domain_list, domain_update},
    grants::{Held, grant_insert, grant_list_unscoped},
    jobs::{Filter, NewJob, Payload, job_count, job_list_page},
    queues::{queue_get, queue_list, queue_list_within},
    report_plans::report_plan_insert_in_txn,
    slas::{sla_delete, sla_insert},
    worker_tokens::{WorkerToken, worker_token_get, worker_token_insert},
    workers::{Worker, worker_get, worker_get_within, worker_insert, worker_list_lives},
};
use test_support::change;

use crate::{
    case::Case,
    fixtures::{at, commit, draft, id_at, insert, new_job},
    worker_tokens::token,
    workers::worker,
};

both!(
    a_domain_is_added_changed_and_listed_by_slug,
    a_domain_with_automations_stays_and_one_without_goes_with_its_grants,
    no_rule_or_plan_is_about_a_domain_that_is_gone,
    places_decide_and_labels_match_as_a_whole,
    a_scope_over_thousands_of_automations_is_one_small_query,
    lists_filter_by_domain_and_label,
    counts_of_a_shared_queue_are_those_of_ones_own_jobs,
    what_others_share_is_acted_on_by_nobody_alone,
    nobody_takes_another_one_s_queue_or_writes_out_of_scope,
);

pub(crate) fn finance(nth: u32) -> Domain {
    Domain { id: id_at(9, nth), slug: format!("finance-{nth}"), name: "Finance".to_owned(), created_at: at(1), updated_at: at(1) }
}

fn of_domain(id: DomainId) -> Scope {
    Scope::Only(Places { domains: [id].into(), ..Places::default() })
}

fn of_label(label: &str) -> Scope {
    Scope::Only(Places { labels: [label.to_owned()].into(), ..Places::default() })
}

async fn add(db: &Case, draft: Draft) -> AutomationId {
    automation_insert(db, &Scope::All, &change(), &draft, at(1)).await.unwrap().id
}

fn plain(name: &str, queue: &str) -> Draft {
    Draft { queue_name: queue.to_owned(), ..draft(name) }
}

async fn a_domain_is_added_changed_and_listed_by_slug(db: Case) {
    let [b, a] = [Domain { slug: "b".to_owned(), ..finance(1) }, Domain { slug: "a".to_owned(), ..finance(2) }];
    for domain in [&b, &a] {
        domain_insert(&db, &change(), domain).await.unwrap();
    }
    let listed = async |slug: Option<&str>, after: Option<&str>, limit| {
        let filter = domains::Filter { slug: slug.map(str::to_owned), after: after.map(str::to_owned), limit };
        domain_list(&db, &Scope::All, &filter).await.unwrap()
    };
    assert_eq!(listed(None, None, 10).await, [a.clone(), b.clone()]);
    assert_eq!(listed(None, Some("a"), 10).await, std::slice::from_ref(&b));
    assert_eq!(listed(None, None, 1).await, std::slice::from_ref(&a));
    let taken = Domain { id: id_at(9, 3), ..a.clone() };
    assert!(matches!(domain_insert(&db, &change(), &taken).await, Err(Error::Duplicate(_))));
    assert!(matches!(domain_update(&db, &change(), &Domain { id: b.id, ..a.clone() }).await, Err(Error::Duplicate(_))));
    let changed = Domain { slug: "c".to_owned(), name: "C".to_owned(), updated_at: at(2), ..a.clone() };
    assert!(domain_update(&db, &change(), &changed).await.unwrap());
    assert_eq!(domain_get(&db, &Scope::All, a.id).await.unwrap(), Some(changed.clone()));
    assert_eq!((listed(Some("c"), None, 10).await, listed(Some("a"), None, 10).await), (vec![changed], vec![]));
    assert!(!domain_update(&db, &change(), &taken).await.unwrap());
}

fn about(id: DomainId) -> Rule {
    Rule {
        name: "no failure".to_owned(),
        target: Target::Domain(id),
        expect: Expectations { alert_on_failure: true, ..Expectations::default() },
        calendar_id: None,
        timezone: "UTC".to_owned(),
        terms: Terms::default(),
        enabled: true,
    }
}

async fn no_rule_or_plan_is_about_a_domain_that_is_gone(db: Case) {
    let (other, by) = (db.other_hub().await, change());
    for nth in 1..=20 {
        let domain = finance(nth);
        domain_insert(&db, &by, &domain).await.unwrap();
        let rule = Rule { name: format!("rule {nth}"), ..about(domain.id) };
        let (made, deleted) = tokio::join!(sla_insert(&db, &by, id_at(1, nth), &rule, at(2)), domain_delete(&other, &by, domain.id, at(2)));
        match (made, deleted.unwrap()) {
            (Ok(_), Deletion::Watched { count: 1, .. }) | (Err(Error::Dangling("domain_id")), Deletion::Done) => {}
            outcome => panic!("rule {nth}: {outcome:?}"),
        }
        let domain = finance(nth + 100);
        domain_insert(&db, &by, &domain).await.unwrap();
        let plan = crate::report_plans::of_domain(nth, domain.id);
        let made = commit(&db, async |txn| report_plan_insert_in_txn(txn, &by, &plan).await);
        let (made, deleted) = tokio::join!(made, domain_delete(&other, &by, domain.id, at(2)));
        match (made, deleted.unwrap()) {
            (Ok(()), Deletion::Reported { count: 1, .. }) | (Err(Error::Dangling("domain_id")), Deletion::Done) => {}
            outcome => panic!("plan {nth}: {outcome:?}"),
        }
    }
    other.close().await.unwrap();
}

async fn a_domain_with_automations_stays_and_one_without_goes_with_its_grants(db: Case) {
    domain_insert(&db, &change(), &finance(1)).await.unwrap();
    let id = finance(1).id;
    let automation = add(&db, Draft { domain_id: Some(id), ..draft("a") }).await;
    let viewer = |place| Held {
        id: id_at(1, 1),
        grantee: Grantee::User(UserId::from(id_at::<uuid::Uuid>(1, 7))),
        grant: Grant { right: Right::Role(Role::Viewer), place },
        source: GrantSource::Manual,
        granted_by: "ana".to_owned(),
        granted_at: at(1),
    };
    let (narrow, wide) = (viewer(Where::Domain(id)), Held { id: id_at(1, 2), ..viewer(Where::Everywhere) });
    for held in [&narrow, &wide] {
        assert!(grant_insert(&db, &change(), held).await.unwrap());
    }
    assert_eq!(domain_delete(&db, &change(), id, at(2)).await.unwrap(), Deletion::Owns(1));
    automation_update(&db, (&Scope::All, &change()), automation, &draft("a"), at(2)).await.unwrap();
    let rule = about(id);
    let sla = sla_insert(&db, &change(), id_at(1, 9), &rule, at(2)).await.unwrap();
    let watched = Deletion::Watched { count: 1, names: vec!["no failure".to_owned()] };
    assert_eq!(domain_delete(&db, &change(), id, at(2)).await.unwrap(), watched);
    sla_delete(&db, (&Scope::All, &change()), sla.id, at(2)).await.unwrap().unwrap();
    let counted = change_count(&db, Subject::Identities).await.unwrap();
    assert_eq!(domain_delete(&db, &change(), id, at(2)).await.unwrap(), Deletion::Done);
    assert!(matches!(sla_insert(&db, &change(), id_at(1, 9), &rule, at(2)).await, Err(Error::Dangling("domain_id"))));
    assert!(change_count(&db, Subject::Identities).await.unwrap() > counted, "whoever had the grant is read again");
    assert_eq!(grant_list_unscoped(&db, wide.grantee).await.unwrap(), [wide]);
    assert_eq!(domain_delete(&db, &change(), id, at(2)).await.unwrap(), Deletion::Missing);
    let gone = Draft { domain_id: Some(id), ..draft("b") };
    assert!(matches!(automation_insert(&db, &Scope::All, &change(), &gone, at(3)).await, Err(Error::Dangling("domain_id"))));
    let moved = automation_update(&db, (&Scope::All, &change()), automation, &Draft { name: "a".into(), ..gone }, at(3)).await;
    assert!(matches!(moved, Err(Error::Dangling("domain_id"))));
}

async fn places_decide_and_labels_match_as_a_whole(db: Case) {
    domain_insert(&db, &change(), &finance(1)).await.unwrap();
    domain_insert(&db, &change(), &finance(2)).await.unwrap();
    let labels = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect::<Vec<_>>();
    let in_domain = add(&db, Draft { domain_id: Some(finance(1).id), ..plain("a", "a") }).await;
    let labelled = add(&db, Draft { labels: labels(&["nfe", "s_p"]), ..plain("b", "b") }).await;
    let similar = add(&db, Draft { labels: labels(&["nfe2", "sxp", "a.nfe"]), ..plain("c", "c") }).await;
    let both = Places { domains: [finance(1).id].into(), automations: [similar].into(), labels: ["s_p".to_owned()].into(), within: None };
    for (scope, expected) in [
        (of_domain(finance(1).id), vec![in_domain]),
        (of_domain(finance(2).id), vec![]),
        (of_label("nfe"), vec![labelled]),
        (of_label("s_p"), vec![labelled]),
        (of_label("fe"), vec![]),
        (of_label("%"), vec![]),
        (Scope::NOTHING, vec![]),
        (Scope::Only(both), vec![in_domain, labelled, similar]),
    ] {
        let listed = automation_list(&db, &scope, &Default::default()).await.unwrap();
        let ids: Vec<_> = listed.iter().map(|automation| automation.id).collect();
        assert_eq!(ids, expected, "{scope:?}");
        for automation in automation_list(&db, &Scope::All, &Default::default()).await.unwrap() {
            assert_eq!(scope.has(&automation.place()), expected.contains(&automation.id), "in memory as in the database: {scope:?}");
        }
        let domains = domain_list(&db, &scope, &domains::Filter { limit: 10, ..Default::default() }).await.unwrap();
        let seen = [1, 2].map(|nth| domains.iter().any(|domain| domain.id == finance(nth).id));
        let is_place = |nth| matches!(&scope, Scope::Only(places) if places.domains.contains(&finance(nth).id));
        assert_eq!(seen, [expected.contains(&in_domain), is_place(2)], "{scope:?}");
    }
}

async fn a_scope_over_thousands_of_automations_is_one_small_query(db: Case) {
    domain_insert(&db, &change(), &finance(1)).await.unwrap();
    let first = add(&db, Draft { domain_id: Some(finance(1).id), ..plain("first", "many") }).await;
    // More than a statement has parameters on either database.
    let copies = "INSERT INTO automations (name, description, queue_name, queue_profile, queue_profile_named, entrypoint_type, script_path, \
                  default_params, priority, retry_policy, concurrency_key_limit, overlap, requires, display, created_at, updated_at, change, domain_id) \
                  WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 70000) \
                  SELECT 'copy ' || n, description, queue_name, queue_profile, queue_profile_named, entrypoint_type, script_path, default_params, \
                  priority, retry_policy, concurrency_key_limit, overlap, requires, display, created_at, updated_at, change, domain_id \
                  FROM automations, n WHERE name = 'first'";
    let raw = db.raw().await;
    raw.execute_unprepared(copies).await.unwrap();
    raw.close().await.unwrap();
    insert(&db, &[NewJob { automation_id: first, queue_name: "many".into(), ..new_job(1) }]).await;
    let scope = of_domain(finance(1).id);
    let listed = automation_list(&db, &scope, &automations::Filter { limit: 2, ..Default::default() }).await.unwrap();
    assert_eq!(listed.len(), 2);
    let filter = Filter { limit: 10, ..Filter::default() };
    assert_eq!(job_list_page(&db, &scope, &filter, Payload::All, u64::MAX).await.unwrap().rows.len(), 1);
    assert_eq!(job_count(&db, &scope, &filter, 10).await.unwrap(), 1);
    assert_eq!(queue_list(&db, &scope).await.unwrap().len(), 1);
    assert_eq!(queue_list_within(&db, &scope).await.unwrap(), Some(["many".to_owned()].into()));
}

async fn lists_filter_by_domain_and_label(db: Case) {
    domain_insert(&db, &change(), &finance(1)).await.unwrap();
    let mine = add(&db, Draft { domain_id: Some(finance(1).id), labels: vec!["nfe".into()], ..plain("a", "a") }).await;
    let other = add(&db, plain("b", "b")).await;
    insert(&db, &[NewJob { automation_id: mine, ..new_job(1) }, NewJob { automation_id: other, ..new_job(2) }]).await;
    let found = async |filter: automations::Filter| {
        automation_list(&db, &Scope::All, &filter).await.unwrap().into_iter().map(|automation| automation.id).collect::<Vec<_>>()
    };
    let by_domain = |slug: &str| automations::Filter { domain: Some(slug.to_owned()), ..Default::default() };
    let by_label = |label: &str| automations::Filter { label: Some(label.to_owned()), ..Default::default() };
    assert_eq!((found(by_domain("finance-1")).await, found(by_domain("finance")).await), (vec![mine], vec![]));
    assert_eq!((found(by_label("nfe")).await, found(by_label("nf")).await), (vec![mine], vec![]));
    for (slug, expected) in [("finance-1", 1), ("finance", 0)] {
        let filter = Filter { domain: Some(slug.to_owned()), limit: 10, ..Filter::default() };
        assert_eq!(job_list_page(&db, &Scope::All, &filter, Payload::All, u64::MAX).await.unwrap().rows.len(), expected);
        assert_eq!(job_count(&db, &Scope::All, &filter, 10).await.unwrap(), expected as u64);
    }
}

async fn counts_of_a_shared_queue_are_those_of_ones_own_jobs(db: Case) {
    let [mine, yours] = [add(&db, plain("mine", "shared")).await, add(&db, plain("yours", "shared")).await];
    let jobs = [(mine, 1), (yours, 2), (yours, 3)];
    let jobs = jobs.map(|(automation_id, nth)| NewJob { automation_id, queue_name: "shared".into(), ..new_job(nth) });
    insert(&db, &jobs).await;
    for (scope, waiting) in [(Scope::All, 3), (Scope::automations([mine]), 1)] {
        assert_eq!(queue_get(&db, &scope, "shared").await.unwrap().unwrap().waiting, waiting);
        assert_eq!(queue_list(&db, &scope).await.unwrap()[0].waiting, waiting);
        let loads = store::ops::queue_loads(&db, &scope).await.unwrap();
        assert_eq!(loads["shared"].waiting, u64::try_from(waiting).unwrap());
    }
}

async fn what_others_share_is_acted_on_by_nobody_alone(db: Case) {
    let mine = add(&db, plain("mine", "mine")).await;
    let shared = [add(&db, plain("a", "shared")).await, add(&db, plain("b", "shared")).await];
    let workers = [(1, vec!["mine"]), (2, vec!["mine", "shared"]), (3, vec!["*"])];
    for (nth, queues) in workers {
        let queues = queues.into_iter().map(str::to_owned).collect();
        worker_insert(&db, &Worker { queues, ..worker(id_at(1, nth), &format!("w{nth}")) }).await.unwrap();
    }
    for (nth, queues) in [(1, vec!["mine".to_owned()]), (2, vec!["shared".to_owned()])] {
        worker_token_insert(&db, &change(), &WorkerToken { queues: Some(queues), ..token(nth) }).await.unwrap();
    }
    let half = Scope::automations([mine, shared[0]]);
    let whole = Scope::automations([mine, shared[0], shared[1]]);
    for (scope, queues, acted, tokens) in
        [(&half, vec!["mine"], [true, false, false], [true, false]), (&whole, vec!["mine", "shared"], [true, true, false], [true, true])]
    {
        let queues = queues.into_iter().map(str::to_owned).collect();
        assert_eq!(queue_list_within(&db, scope).await.unwrap(), Some(queues), "{scope:?}");
        for (nth, expected) in [1, 2, 3].into_iter().zip(acted) {
            assert!(worker_get(&db, scope, id_at(1, nth)).await.unwrap().is_some());
            assert_eq!(worker_get_within(&db, scope, id_at(1, nth)).await.unwrap().is_some(), expected, "w{nth} in {scope:?}");
        }
        for (nth, expected) in [1, 2].into_iter().zip(tokens) {
            assert_eq!(worker_token_get(&db, scope, token(nth).id).await.unwrap().is_some(), expected, "token {nth} in {scope:?}");
        }
        assert_eq!(worker_list_lives(&db, scope).await.unwrap().len(), 3);
    }
    assert_eq!(queue_list_within(&db, &Scope::All).await.unwrap(), None);
    let only_mine = Scope::automations([mine]);
    assert_eq!(worker_get(&db, &only_mine, id_at(1, 2)).await.unwrap().unwrap().queues, ["mine"], "queues of others are not shown");
    assert_eq!(worker_list_lives(&db, &Scope::NOTHING).await.unwrap(), []);
}

async fn nobody_takes_another_one_s_queue_or_writes_out_of_scope(db: Case) {
    domain_insert(&db, &change(), &finance(1)).await.unwrap();
    let domain_id = Some(finance(1).id);
    let mine = add(&db, Draft { domain_id, ..plain("mine", "mine") }).await;
    let theirs = add(&db, plain("theirs", "theirs")).await;
    let scope = of_domain(finance(1).id);
    let new = |queue: &str| Draft { domain_id, ..plain("new", queue) };
    let taken = automation_insert(&db, &scope, &change(), &new("theirs"), at(2)).await;
    assert!(matches!(taken, Err(Error::OutOfScope("queue_name"))), "{taken:?}");
    let moved = automation_update(&db, (&scope, &change()), mine, &Draft { domain_id, ..plain("mine", "theirs") }, at(2)).await;
    assert!(matches!(moved, Err(Error::OutOfScope("queue_name"))), "{moved:?}");
    assert_eq!(automation_update(&db, (&scope, &change()), theirs, &plain("theirs", "mine"), at(2)).await.unwrap(), None);
    assert_eq!(automation_get(&db, &Scope::All, theirs).await.unwrap().unwrap().draft.queue_name, "theirs");
    for queue in ["mine", "nobody's"] {
        let name = format!("new in {queue}");
        automation_insert(&db, &scope, &change(), &Draft { name, ..new(queue) }, at(2)).await.unwrap();
    }
    // A queue that is shared already stays as it is.
    add(&db, plain("guest", "mine")).await;
    let kept = automation_update(&db, (&scope, &change()), mine, &Draft { domain_id, priority: 1, ..plain("mine", "mine") }, at(3)).await;
    assert_eq!(kept.unwrap().unwrap().draft.priority, 1);
}
