//! Chains: what is saved, who sees it, and that each end counts once and each run is written once.

use domain::{
    Scope,
    chain::{Condition, Ended, Ending, Input, Join, RunState, Taken, idempotency_key},
    condition::Operator,
    ids::{AutomationId, ChainId, JobId},
    job::{Status, Trigger},
    scope::Places,
};
use serde_json::{Map, json};
use store::{
    Database, Error,
    automations::automation_insert,
    chains::{
        Chain, Draft, Filter, NewRun, Outcome, RunFilter, Save, chain_count_in_txn, chain_delete, chain_finish_run, chain_get,
        chain_insert, chain_list, chain_list_ended_unscoped, chain_list_names, chain_list_runs, chain_list_waiting_unscoped,
        chain_lock_in_txn, chain_prune, chain_results_in_txn, chain_since_unscoped, chain_start_run_in_txn, chain_update,
    },
    jobs::NewJob,
};
use test_support::change;

use crate::{
    case::Case,
    fixtures::{at, change as change_job, commit, draft as automation_draft, id_at, insert, new_job, object},
};

both!(
    what_was_saved_is_read_again,
    a_circle_is_refused_with_its_way,
    a_change_names_its_revision,
    only_other_inputs_begin_anew,
    a_scope_shows_only_chains_of_its_automations,
    ended_jobs_come_in_order_with_their_roots,
    an_end_counts_once_and_a_run_is_written_once,
    a_run_waits_until_it_is_decided,
    old_runs_are_removed,
);
suite!(locked_rows, Postgres, of_two_schedulers_the_second_sees_what_the_first_counted);

fn id(nth: u32) -> ChainId {
    id_at(0, nth)
}

/// From the first two automations to the third.
fn draft(automations: &[AutomationId]) -> Draft {
    let condition = Some(Condition { pointer: "/count".into(), operator: Operator::Gt, value: Some(json!(0)) });
    Draft {
        automation_id: automations[2],
        name: "after both".into(),
        enabled: true,
        inputs: vec![
            Input { automation_id: automations[0], on: Ending::Completed, condition },
            Input { automation_id: automations[1], on: Ending::Any, condition: None },
        ],
        join: Join::All,
        not_before: "07:30:00".parse().ok(),
        timezone: "America/Sao_Paulo".into(),
        parameters: object(json!({"month": 1})),
        parameters_from: vec![Taken { parameter: "files".into(), pointer: "/files".into(), automation_id: Some(automations[0]) }],
    }
}

fn input(automation_id: AutomationId) -> Input {
    Input { automation_id, on: Ending::Completed, condition: None }
}

async fn automations(db: &Database, count: usize) -> Vec<AutomationId> {
    let mut made = Vec::new();
    for nth in 0..count {
        made.push(automation_insert(db, &Scope::All, &change(), &automation_draft(&format!("a{nth}")), at(1)).await.unwrap().id);
    }
    made
}

async fn saved(db: &Database, nth: u32, draft: &Draft) -> Chain {
    match chain_insert(db, &change(), id(nth), draft, at(2)).await.unwrap() {
        Save::Done(chain) => *chain,
        other => panic!("{other:?}"),
    }
}

fn end(automation_id: AutomationId, job: JobId, root: JobId) -> Ended {
    Ended { job_id: job, automation_id, status: Status::Completed, at: at(5), is_retried: false, root, result: None }
}

/// A job that has ended.
async fn ended(db: &Database, job: &NewJob, (status, millis): (Status, i64)) {
    insert(db, std::slice::from_ref(job)).await;
    change_job(db, job.id, |row| {
        row.job.status = status;
        row.completed_at = Some(at(millis));
        row.result = Some(json!({"n": millis}));
    })
    .await;
}

async fn what_was_saved_is_read_again(db: Case) {
    let automations = automations(&db, 3).await;
    let draft = draft(&automations);
    let made = saved(&db, 1, &draft).await;
    assert_eq!((&made.draft, made.since_at, made.revision), (&draft, at(2), 1));
    assert_eq!(chain_get(&db, &Scope::All, made.id).await.unwrap(), Some(made.clone()));
    let again = chain_insert(&db, &change(), id(2), &draft, at(3)).await;
    assert!(matches!(again, Err(Error::Duplicate(_))), "{again:?}");
    let elsewhere = Draft { inputs: vec![input(99.into())], name: "x".into(), ..draft.clone() };
    assert!(matches!(chain_insert(&db, &change(), id(2), &elsewhere, at(3)).await, Err(Error::Dangling("inputs"))));
    assert_eq!(chain_since_unscoped(&db).await.unwrap(), Some(at(2)));
    let list = async |filter: Filter| chain_list(&db, &Scope::All, &Filter { limit: 10, ..filter }).await.unwrap().len();
    assert_eq!(list(Filter { automation_id: Some(automations[2]), ..Filter::default() }).await, 1);
    assert_eq!(list(Filter { input_id: Some(automations[2]), ..Filter::default() }).await, 0);
    assert_eq!(list(Filter { input_id: Some(automations[1]), ..Filter::default() }).await, 1);
    assert_eq!(list(Filter { name: Some("after both".into()), ..Filter::default() }).await, 1);
    assert_eq!(list(Filter { name: Some("after".into()), ..Filter::default() }).await, 0);
    assert_eq!(list(Filter { after: Some(made.id), ..Filter::default() }).await, 0);
    assert_eq!(list(Filter { ids: vec![made.id, id(9)], ..Filter::default() }).await, 1);
    assert_eq!(list(Filter { ids: vec![id(9)], ..Filter::default() }).await, 0);
    assert!(chain_delete(&db, (&Scope::All, &change()), made.id, at(4)).await.unwrap());
    assert!(!chain_delete(&db, (&Scope::All, &change()), made.id, at(4)).await.unwrap());
    assert_eq!(db.rows("chain_inputs").await, 0);
    assert_eq!(chain_since_unscoped(&db).await.unwrap(), None);
}

async fn a_circle_is_refused_with_its_way(db: Case) {
    let automations = automations(&db, 3).await;
    let [a, b, c] = automations[..] else { panic!("three") };
    let chain = |from, to, name: &str| Draft {
        automation_id: to,
        inputs: vec![input(from)],
        name: name.into(),
        join: Join::Any,
        parameters_from: Vec::new(),
        ..draft(&automations)
    };
    let onto_itself = chain_insert(&db, &change(), id(1), &chain(a, a, "itself"), at(2)).await.unwrap();
    assert_eq!(onto_itself, Save::Cycle(vec![a, a]));
    saved(&db, 1, &chain(a, b, "ab")).await;
    // A chain that is switched off counts: it can be switched on.
    saved(&db, 2, &Draft { enabled: false, ..chain(b, c, "bc") }).await;
    let closing = chain_insert(&db, &change(), id(3), &chain(c, a, "ca"), at(2)).await.unwrap();
    assert_eq!(closing, Save::Cycle(vec![a, b, c, a]));
    let changed = chain_update(&db, (&Scope::All, &change()), (id(1), None), &chain(c, b, "ab"), at(3)).await.unwrap();
    assert_eq!(changed, Save::Cycle(vec![b, c, b]));
    assert_eq!(chain_list(&db, &Scope::All, &Filter { limit: 9, ..Filter::default() }).await.unwrap().len(), 2);
    // A chain is in its own way no more once it is another one.
    let turned = chain_update(&db, (&Scope::All, &change()), (id(1), None), &chain(c, a, "ca"), at(3)).await.unwrap();
    assert!(matches!(turned, Save::Done(_)), "{turned:?}");
}

async fn a_change_names_its_revision(db: Case) {
    let automations = automations(&db, 3).await;
    let made = saved(&db, 1, &draft(&automations)).await;
    let renamed = Draft { name: "other".into(), ..made.draft.clone() };
    let update = async |revision| chain_update(&db, (&Scope::All, &change()), (made.id, revision), &renamed, at(3)).await.unwrap();
    assert_eq!(update(Some(7)).await, Save::Stale(1));
    let Save::Done(changed) = update(Some(1)).await else { panic!("not saved") };
    assert_eq!((changed.revision, changed.draft.name.as_str(), changed.updated_at), (2, "other", at(3)));
    assert_eq!(update(Some(1)).await, Save::Stale(2));
    let missing = chain_update(&db, (&Scope::All, &change()), (id(9), None), &Draft { name: "z".into(), ..renamed.clone() }, at(3)).await;
    assert_eq!(missing.unwrap(), Save::Missing);
}

async fn only_other_inputs_begin_anew(db: Case) {
    let automations = automations(&db, 3).await;
    let made = saved(&db, 1, &draft(&automations)).await;
    let update = async |draft: &Draft, millis| match chain_update(&db, (&Scope::All, &change()), (made.id, None), draft, at(millis)).await {
        Ok(Save::Done(chain)) => chain.since_at,
        other => panic!("{other:?}"),
    };
    let other_parameters = Draft { parameters: Map::new(), enabled: false, ..made.draft.clone() };
    assert_eq!(update(&other_parameters, 3).await, at(2));
    assert_eq!(chain_since_unscoped(&db).await.unwrap(), None, "it is switched off");
    assert_eq!(update(&made.draft, 4).await, at(4), "switched on");
    commit(&db, async |txn| chain_count_in_txn(txn, made.id, "k", &end(automations[0], id_at(1, 1), id_at(1, 1))).await).await.unwrap();
    let renamed = Draft { name: "renamed".into(), ..made.draft.clone() };
    assert_eq!((update(&renamed, 5).await, db.rows("chain_marks").await), (at(4), 1), "what counted still does");
    let one = Draft { inputs: vec![input(automations[0])], parameters_from: Vec::new(), ..made.draft.clone() };
    assert_eq!((update(&one, 6).await, db.rows("chain_marks").await), (at(6), 0));
    assert_eq!(chain_since_unscoped(&db).await.unwrap(), Some(at(6)));
}

async fn a_scope_shows_only_chains_of_its_automations(db: Case) {
    let automations = automations(&db, 3).await;
    let made = saved(&db, 1, &draft(&automations)).await;
    let only = |id: AutomationId| Scope::Only(Places { automations: [id].into(), ..Places::default() });
    let (input, target) = (only(automations[0]), only(automations[2]));
    assert_eq!(chain_get(&db, &input, made.id).await.unwrap(), None);
    assert!(chain_get(&db, &target, made.id).await.unwrap().is_some());
    assert_eq!(chain_list(&db, &input, &Filter { limit: 9, ..Filter::default() }).await.unwrap(), []);
    assert!(!chain_delete(&db, (&input, &change()), made.id, at(3)).await.unwrap());
    let same = chain_update(&db, (&input, &change()), (made.id, None), &made.draft, at(3)).await.unwrap();
    assert_eq!(same, Save::Missing);
    let names = chain_list_names(&db, &input, &automations.iter().copied().collect()).await.unwrap();
    assert_eq!(names, [(automations[0], "a0".to_owned())].into());
}

async fn ended_jobs_come_in_order_with_their_roots(db: Case) {
    let automations = automations(&db, 3).await;
    let chain = saved(&db, 1, &draft(&automations)).await;
    let job = |nth: u32, automation: usize| NewJob { automation_id: automations[automation], ..new_job(nth) };
    // The first began it; a chain made the second, whose first attempt failed; the fourth is of no input.
    let root = job(1, 0);
    let key = idempotency_key(chain.id, "k").unwrap().as_str().to_owned();
    let second = NewJob { trigger: Trigger::Chain, idempotency_key: Some(key), ..job(2, 1) };
    let again = NewJob { trigger: Trigger::Retry, retry_of: Some(second.id), ..job(3, 1) };
    commit(&db, async |txn| {
        let run = NewRun {
            chain_id: chain.id,
            key: "k",
            automation_id: automations[1],
            root_id: root.id,
            after_job_id: root.id,
            due_at: at(1),
            parameters: Ok(Map::new()),
        };
        chain_start_run_in_txn(txn, run, at(1)).await
    })
    .await
    .unwrap();
    for (job, end) in [
        (&root, (Status::Completed, 10)),
        (&second, (Status::Failed, 20)),
        (&again, (Status::Completed, 20)),
        (&job(4, 2), (Status::Completed, 15)),
    ] {
        ended(&db, job, end).await;
    }
    let list = async |after, limit| chain_list_ended_unscoped(&db, after, limit).await.unwrap();
    let all = list((at(0), JobId::default()), 9).await;
    let found: Vec<_> = all.iter().map(|ended| (ended.job_id, ended.root, ended.is_retried, ended.status)).collect();
    assert_eq!(
        found,
        [
            (root.id, root.id, false, Status::Completed),
            (second.id, root.id, true, Status::Failed),
            (again.id, root.id, false, Status::Completed),
        ]
    );
    assert_eq!((all[0].at, all[0].result.clone()), (at(10), None), "results are read where they are needed");
    // Two of one millisecond are on two pages.
    let page = list((at(10), root.id), 1).await;
    assert_eq!(page[0].job_id, second.id);
    assert_eq!(list((page[0].at, page[0].job_id), 9).await[0].job_id, again.id);
    assert_eq!(list((at(20), again.id), 9).await, []);
    let results = commit(&db, async |txn| chain_results_in_txn(txn, &[root.id, id_at(9, 9)]).await).await.unwrap();
    assert_eq!(results, [(root.id, Some(json!({"n": 10})))].into());
}

fn run<'a>(chain: &Chain, key: &'a str, job: JobId) -> NewRun<'a> {
    let (chain_id, automation_id) = (chain.id, chain.draft.automation_id);
    let parameters = Ok(object(json!({"p": 1})));
    NewRun { chain_id, key, automation_id, root_id: job, after_job_id: job, due_at: at(50), parameters }
}

async fn an_end_counts_once_and_a_run_is_written_once(db: Case) {
    let automations = automations(&db, 3).await;
    let chain = saved(&db, 1, &draft(&automations)).await;
    let (one, two): (JobId, JobId) = (id_at(1, 1), id_at(1, 2));
    let count = async |ended: Ended| {
        commit(&db, async |txn| {
            assert_eq!(chain_lock_in_txn(txn, &[ended.automation_id]).await?, std::slice::from_ref(&chain));
            chain_count_in_txn(txn, chain.id, "k", &ended).await
        })
        .await
        .unwrap()
    };
    let first = count(end(automations[0], one, one)).await.unwrap();
    assert_eq!((first.len(), first[0].job_id), (1, one));
    assert_eq!(count(end(automations[0], two, one)).await, None, "the first of an input counts");
    let both = count(Ended { at: at(4), ..end(automations[1], two, one) }).await.unwrap();
    assert_eq!(both.iter().map(|mark| mark.automation_id).collect::<Vec<_>>(), [automations[1], automations[0]], "the last at the end");
    let start = async |key| commit(&db, async |txn| chain_start_run_in_txn(txn, run(&chain, key, one), at(6)).await).await.unwrap();
    assert_eq!((start("k").await, start("k").await, start("l").await), (true, false, true));
    assert_eq!(commit(&db, async |txn| chain_lock_in_txn(txn, &automations[2..]).await).await.unwrap(), [], "it waits for others");
}

/// The last two ends of a join, found by two schedulers in the same millisecond.
async fn of_two_schedulers_the_second_sees_what_the_first_counted(db: Case) {
    let automations = automations(&db, 3).await;
    let chain = saved(&db, 1, &draft(&automations)).await;
    let (one, two): (JobId, JobId) = (id_at(1, 1), id_at(1, 2));
    let first = db.begin().await.unwrap();
    chain_lock_in_txn(&first, &automations[..1]).await.unwrap();
    let (other, inputs, chain_id) = (db.other_hub().await, automations.clone(), chain.id);
    let second = tokio::spawn(async move {
        let counted = commit(&other, async |txn| {
            chain_lock_in_txn(txn, &inputs[1..2]).await?;
            chain_count_in_txn(txn, chain_id, "k", &end(inputs[1], two, one)).await
        });
        let counted = counted.await.unwrap();
        other.close().await.unwrap();
        counted.map(|marks| marks.len())
    });
    let raw = db.raw().await;
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    test_support::eventually("the second waits", async || (crate::case::number(&raw, waiting).await == 1).then_some(())).await;
    let counted = chain_count_in_txn(&first, chain.id, "k", &end(automations[0], one, one)).await.unwrap();
    assert_eq!(counted.map(|marks| marks.len()), Some(1));
    first.commit().await.unwrap();
    assert_eq!(second.await.unwrap(), Some(2));
    raw.close().await.unwrap();
}

async fn a_run_waits_until_it_is_decided(db: Case) {
    let automations = automations(&db, 3).await;
    let chain = saved(&db, 1, &draft(&automations)).await;
    let job: JobId = id_at(1, 1);
    commit(&db, async |txn| chain_start_run_in_txn(txn, run(&chain, "k", job), at(6)).await).await.unwrap();
    let waiting = async |now, after: Option<&store::chains::Run>| chain_list_waiting_unscoped(&db, at(now), after, 9).await.unwrap();
    assert_eq!(waiting(49, None).await, []);
    commit(&db, async |txn| chain_start_run_in_txn(txn, run(&chain, "l", job), at(6)).await).await.unwrap();
    let both = waiting(50, None).await;
    assert_eq!(both.iter().map(|run| run.key.as_str()).collect::<Vec<_>>(), ["k", "l"]);
    assert_eq!(waiting(50, Some(&both[0])).await, both[1..]);
    let too_large = NewRun { parameters: Err(("too_large".into(), "no".into())), ..run(&chain, "large", job) };
    commit(&db, async |txn| chain_start_run_in_txn(txn, too_large.clone(), at(6)).await).await.unwrap();
    let last = Outcome { state: RunState::Created, reason: None, job_id: Some(job) };
    chain_finish_run(&db, (chain.id, "l"), &last, at(51)).await.unwrap();
    let waiting = waiting(50, None).await;
    assert_eq!((waiting.len(), waiting[0].state, &waiting[0].parameters), (1, RunState::Waiting, &object(json!({"p": 1}))));
    let created = Outcome { state: RunState::Created, reason: None, job_id: Some(job) };
    chain_finish_run(&db, (chain.id, "k"), &created, at(51)).await.unwrap();
    let refused = Outcome { state: RunState::Refused, reason: Some(("invalid".into(), "no".into())), job_id: None };
    chain_finish_run(&db, (chain.id, "k"), &refused, at(52)).await.unwrap();
    let all = RunFilter { chain_id: chain.id, state: None, limit: 9, before: None };
    let runs = chain_list_runs(&db, &Scope::All, &all).await.unwrap();
    let states: Vec<_> = runs.iter().map(|run| (run.key.as_str(), run.state, run.job_id)).collect();
    let created = |key| (key, RunState::Created, Some(job));
    assert_eq!(states, [("large", RunState::Refused, None), created("l"), created("k")]);
    assert_eq!(chain_list_waiting_unscoped(&db, at(99), None, 9).await.unwrap(), []);
    let before = Some((runs[0].created_at, runs[0].key.clone()));
    assert_eq!(chain_list_runs(&db, &Scope::All, &RunFilter { before, ..all.clone() }).await.unwrap(), runs[1..]);
    let refused = chain_list_runs(&db, &Scope::All, &RunFilter { state: Some(RunState::Refused), ..all }).await.unwrap();
    assert_eq!((refused.len(), refused[0].reason.as_deref(), refused[0].detail.as_deref()), (1, Some("too_large"), Some("no")));
}

async fn old_runs_are_removed(db: Case) {
    let automations = automations(&db, 3).await;
    let chain = saved(&db, 1, &draft(&automations)).await;
    let job: JobId = id_at(1, 1);
    commit(&db, async |txn| {
        chain_lock_in_txn(txn, &automations[..1]).await?;
        chain_count_in_txn(txn, chain.id, "old", &end(automations[0], job, job)).await?;
        chain_start_run_in_txn(txn, run(&chain, "old", job), at(5)).await?;
        chain_start_run_in_txn(txn, run(&chain, "waits", job), at(5)).await?;
        chain_start_run_in_txn(txn, run(&chain, "new", job), at(9)).await
    })
    .await
    .unwrap();
    for key in ["old", "new"] {
        let created = Outcome { state: RunState::Created, reason: None, job_id: Some(job) };
        chain_finish_run(&db, (chain.id, key), &created, at(51)).await.unwrap();
    }
    assert_eq!(chain_prune(&db, at(5), 9).await.unwrap(), 0);
    assert_eq!(chain_prune(&db, at(6), 9).await.unwrap(), 2, "a run and an end; one that waits stays");
    assert_eq!((db.rows("chain_runs").await, db.rows("chain_marks").await), (2, 0));
}
