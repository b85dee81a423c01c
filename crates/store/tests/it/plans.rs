//! The statements of every job must not read the jobs that have ended, however many there are.

mod watched;

use std::collections::BTreeMap;

use domain::{Scope, ids::AutomationId, job::Status};
use sea_orm::ConnectionTrait;
use store::{
    Database,
    api_keys::api_key_find_unscoped,
    identity::user_insert_if_absent,
    jobs::{
        Filter, KeySpan, NewJob, Payload, job_confirm_dispatched_in_txn, job_count_active_by_schedule_in_txn, job_count_active_in_txn,
        job_find_idempotent_unscoped, job_get, job_list_candidates_in_txn, job_list_expired_unscoped, job_list_held_by_unscoped,
        job_list_held_unscoped, job_list_keyed_unscoped, job_list_page, job_list_undelivered_unscoped, job_load,
        job_load_for_update_in_txn, job_payloads, job_queues_waiting, job_release_unconfirmed, job_undispatch_in_txn, job_update_at_once,
        job_update_many_in_txn,
    },
    queues::{Queue, queue_get, queue_list},
    schedules::{Claim, schedule_claim, schedule_next_wake_unscoped},
    slas::{sla_list_front_unscoped, sla_list_history_unscoped, sla_list_last_ends_unscoped},
};
use uuid::Uuid;

use crate::{
    case::{Case, number},
    fixtures::{at, commit, hold, id_at, insert, mark_dispatched, new_job, set_status, wanted},
    statistics::{apart, execute_apart, scans},
};

suite!(
    postgres,
    Postgres,
    candidates_read_only_the_backlog,
    queues_with_a_backlog_read_only_the_backlog,
    queues_count_pending_and_running_jobs,
    sweeps_read_only_dispatched_jobs,
    reads_of_held_jobs_touch_no_others,
    active_jobs_are_counted_without_the_ended_ones,
    single_jobs_are_found_by_their_keys,
    list_of_failed_jobs_reads_only_these,
    lists_of_unfinished_jobs_read_only_these,
    list_of_an_automation_reads_only_its_jobs,
    list_of_retries_reads_these,
    list_of_all_reads_from_the_newest,
    heartbeats_touch_no_index,
    figures_of_queues_read_what_has_not_ended,
    only_recently_ended_jobs_are_counted,
    retention_reads_the_oldest,
    an_api_key_is_found_by_one_look_up,
    due_schedules_are_found_without_the_others,
    histories_read_the_runs_of_one_automation,
    the_front_of_a_queue_is_read_without_the_ended_jobs,
);

/// Statements are planned for their values at first, and later perhaps once for all values.
const PLANNERS: [&str; 3] = ["-c plan_cache_mode=force_custom_plan", "-c plan_cache_mode=force_generic_plan", USUAL];
/// As PostgreSQL is set.
const USUAL: &str = "-c plan_cache_mode=auto";
/// How often each statement runs, enough for the planner to make up its mind.
const RUNS: u32 = 8;

/// One of the completed jobs.
const MIDDLE: Uuid = Uuid::from_u128(0x019b_76da_a800_7000_8000_0000_0001_adb0);

/// 20,000 completed jobs of 400 automations, and few others, which are older.
async fn fill(db: &Case) {
    fill_with(db, 20_000).await;
}

async fn fill_with(db: &Case, completed: u32) {
    let raw = db.raw().await;
    let insertion = "INSERT INTO jobs (id, automation_id, queue_name, status, trigger, priority, parameters, attempt, created_at, \
         dispatch_started_at, dispatched_at, log_lines, log_offset) \
         SELECT ('019b76da-a800-7000-8000-' || lpad(to_hex(100000 + nth), 12, '0'))::uuid, nth % 400, 'invoices', 'completed', 'API', 5, \
         '{}', 1, now(), now(), now(), 0, 0 FROM generate_series(1, ";
    raw.execute_unprepared(&format!("{insertion}{completed}) AS nth")).await.unwrap();
    let few: Vec<NewJob> =
        (0..60).map(|nth| NewJob { id: id_at(-1_000, nth), idempotency_key: Some(format!("k{nth}")), ..new_job(nth) }).collect();
    let ids: Vec<_> = few.iter().map(|job| job.id).collect();
    apart(db, USUAL, async |hub| {
        insert(hub, &few).await;
        commit(hub, async |txn| mark_dispatched(txn, &ids[20..40], at(1)).await).await.unwrap();
        for id in &ids[40..50] {
            hold(hub, *id, Some(id_at(0, 1)), at(1)).await;
        }
        for id in &ids[50..] {
            set_status(hub, *id, Status::Failed).await;
        }
    })
    .await;
    raw.execute_unprepared("ANALYZE jobs").await.unwrap();
    raw.close().await.unwrap();
}

/// Asserts that `work` goes through these indexes of `jobs` and no others, however it is planned.
async fn uses(db: &Case, indexes: &[&str], work: impl AsyncFn(&Database)) {
    fill(db).await;
    uses_filled(db, indexes, work).await;
}

async fn uses_filled(db: &Case, indexes: &[&str], work: impl AsyncFn(&Database)) {
    for planner in PLANNERS {
        let used: BTreeMap<String, i64> = scans(db, "jobs", planner, async |hub: &Database| {
            for _ in 0..RUNS {
                work(hub).await;
            }
        })
        .await;
        assert_eq!(used.keys().collect::<Vec<_>>(), indexes, "{planner}: {used:?}");
    }
}

async fn candidates_read_only_the_backlog(db: Case) {
    fill(&db).await;
    uses_filled(&db, &["ix_jobs_waiting"], async |hub| {
        let found = commit(hub, async |txn| job_list_candidates_in_txn(txn, &wanted(&[], at(9), 10)).await).await.unwrap();
        assert_eq!(found.len(), 10);
    })
    .await;
    uses_filled(&db, &["ix_jobs_waiting"], async |hub| {
        let found = commit(hub, async |txn| job_list_candidates_in_txn(txn, &wanted(&[1, 2, 3].map(AutomationId::new), at(9), 10)).await)
            .await
            .unwrap();
        assert_eq!(found, []);
    })
    .await;
}

async fn queues_with_a_backlog_read_only_the_backlog(db: Case) {
    uses(&db, &["ix_jobs_waiting"], async |hub| assert_eq!(job_queues_waiting(hub).await.unwrap(), ["invoices"])).await;
}

async fn queues_count_pending_and_running_jobs(db: Case) {
    let indexes = ["ix_jobs_dispatched", "ix_jobs_held", "ix_jobs_waiting"];
    uses(&db, &indexes, async |hub| {
        let counted = Queue { name: "invoices".into(), waiting: 40, running: 10, pause: None };
        assert_eq!(queue_list(hub, &Scope::All).await.unwrap(), std::slice::from_ref(&counted));
        assert_eq!(queue_get(hub, &Scope::All, "invoices").await.unwrap(), Some(counted));
    })
    .await;
}

async fn sweeps_read_only_dispatched_jobs(db: Case) {
    fill(&db).await;
    uses_filled(&db, &["ix_jobs_dispatched"], async |hub| assert_eq!(job_list_undelivered_unscoped(hub).await.unwrap().len(), 20)).await;
    uses_filled(&db, &["ix_jobs_dispatched"], async |hub| assert_eq!(job_release_unconfirmed(hub, at(0)).await.unwrap(), 0)).await;
}

async fn reads_of_held_jobs_touch_no_others(db: Case) {
    fill(&db).await;
    uses_filled(&db, &["ix_jobs_held"], async |hub| assert_eq!(job_list_held_unscoped(hub).await.unwrap().len(), 10)).await;
    uses_filled(&db, &["ix_jobs_held"], async |hub| assert_eq!(job_list_expired_unscoped(hub, at(9), 5).await.unwrap().len(), 5)).await;
    uses_filled(&db, &["ix_jobs_held"], async |hub| {
        let held = job_list_held_by_unscoped(&hub.begin_lazily(), &[id_at(0, 1)]).await.unwrap();
        assert_eq!(held.len(), 10);
    })
    .await;
}

async fn active_jobs_are_counted_without_the_ended_ones(db: Case) {
    uses(&db, &["ix_jobs_dispatched", "ix_jobs_held"], async |hub| {
        let active = commit(hub, async |txn| job_count_active_in_txn(txn, &[1, 2].map(AutomationId::new)).await).await.unwrap();
        assert_eq!(active, [(1.into(), 10), (1.into(), 20)]);
    })
    .await;
    uses_filled(&db, &["ix_jobs_dispatched", "ix_jobs_held"], async |hub| {
        let of_schedules = commit(hub, async |txn| job_count_active_by_schedule_in_txn(txn, &[1.into()], &[id_at(0, 5)]).await).await;
        assert_eq!(of_schedules.unwrap(), []);
    })
    .await;
}

async fn single_jobs_are_found_by_their_keys(db: Case) {
    fill(&db).await;
    let ids = [20, 21, 22].map(|nth| id_at(-1_000, nth));
    uses_filled(&db, &["jobs_pkey"], async |hub| {
        job_get(hub, &Scope::All, ids[0]).await.unwrap().unwrap();
        assert_eq!(job_load(&hub.begin_lazily(), &ids).await.unwrap().len(), 3);
        job_payloads(&hub.begin_lazily(), &ids).await.unwrap();
        job_update_at_once(hub, &job_load(&hub.begin_lazily(), &ids).await.unwrap().iter().collect::<Vec<_>>()).await.unwrap();
        commit(hub, async |txn| {
            let rows = job_load_for_update_in_txn(txn, &ids).await?;
            assert_eq!(rows.len(), 3);
            job_update_many_in_txn(txn, &rows.iter().collect::<Vec<_>>()).await
        })
        .await
        .unwrap();
    })
    .await;
    let by_id = |used: &BTreeMap<String, i64>| used.keys().all(|name| ["jobs_pkey", "ix_jobs_dispatched"].contains(&name.as_str()));
    for planner in PLANNERS {
        let used = scans(&db, "jobs", planner, async |hub: &Database| {
            for _ in 0..RUNS {
                let txn = hub.begin().await.unwrap();
                mark_dispatched(&txn, &ids, at(1)).await.unwrap();
                job_confirm_dispatched_in_txn(&txn, &ids, at(1)).await.unwrap();
                job_undispatch_in_txn(&txn, &ids).await.unwrap();
            }
        });
        let used = used.await;
        assert!(by_id(&used), "{planner}: {used:?}");
    }
    uses_filled(&db, &["ux_jobs_idempotency"], async |hub| {
        let keys = [(1.into(), "k1".to_owned()), (2.into(), "k2".to_owned())];
        let found = job_find_idempotent_unscoped(&hub.begin_lazily(), &keys).await.unwrap();
        assert_eq!(found.len(), 1);
    })
    .await;
    uses_filled(&db, &["ux_jobs_idempotency"], async |hub| {
        let spans = [1, 2].map(|id| KeySpan { automation_id: id.into(), first: "k1".to_owned(), last: "k2".to_owned() });
        job_list_keyed_unscoped(hub, &spans).await.unwrap();
    })
    .await;
}

/// The sizes of what is found are read by id.
async fn listed(hub: &Database, filter: Filter) -> usize {
    job_list_page(hub, &Scope::All, &Filter { limit: 30, ..filter }, Payload::All, u64::MAX).await.unwrap().rows.len()
}

async fn list_of_failed_jobs_reads_only_these(db: Case) {
    let failed = || Filter { statuses: vec![Status::Failed], ..Filter::default() };
    fill(&db).await;
    uses_filled(&db, &["ix_jobs_unwell", "jobs_pkey"], async |hub| assert_eq!(listed(hub, failed()).await, 10)).await;
    uses_filled(&db, &["ix_jobs_unwell", "jobs_pkey"], async |hub| {
        assert_eq!(listed(hub, Filter { after: Some(MIDDLE.into()), ..failed() }).await, 10);
    })
    .await;
    uses_filled(&db, &["ix_jobs_unwell", "jobs_pkey"], async |hub| {
        let statuses = vec![Status::Failed, Status::Canceled];
        assert_eq!(listed(hub, Filter { statuses, ..Filter::default() }).await, 10);
    })
    .await;
}

/// Of so many jobs that walking through the newest is dearer by any estimate.
async fn lists_of_unfinished_jobs_read_only_these(db: Case) {
    fill_with(&db, 100_000).await;
    let of = |statuses: &[Status]| Filter { statuses: statuses.to_vec(), ..Filter::default() };
    uses_filled(&db, &["ix_jobs_held", "jobs_pkey"], async |hub| assert_eq!(listed(hub, of(&[Status::Running])).await, 10)).await;
    uses_filled(&db, &["ix_jobs_dispatched", "ix_jobs_waiting", "jobs_pkey"], async |hub| {
        assert_eq!(listed(hub, of(&[Status::Pending])).await, 30)
    })
    .await;
    let unfinished = [Status::Pending, Status::Running, Status::Paused];
    uses_filled(&db, &["ix_jobs_dispatched", "ix_jobs_held", "ix_jobs_waiting", "jobs_pkey"], async |hub| {
        assert_eq!(listed(hub, of(&unfinished)).await, 30);
    })
    .await;
}

async fn list_of_an_automation_reads_only_its_jobs(db: Case) {
    uses(&db, &["ix_jobs_automation", "jobs_pkey"], async |hub| {
        assert_eq!(listed(hub, Filter { automation_id: Some(AutomationId::new(7)), ..Filter::default() }).await, 30);
        assert_eq!(listed(hub, Filter { automation_id: Some(AutomationId::new(999)), ..Filter::default() }).await, 0);
    })
    .await;
}

async fn list_of_retries_reads_these(db: Case) {
    uses(&db, &["ix_jobs_retry_of"], async |hub| {
        assert_eq!(listed(hub, Filter { retry_of: Some(id_at(-1_000, 20)), ..Filter::default() }).await, 0);
    })
    .await;
}

async fn list_of_all_reads_from_the_newest(db: Case) {
    uses(&db, &["jobs_pkey"], async |hub| {
        assert_eq!(listed(hub, Filter::default()).await, 30);
        // Two minutes and more before any of them: ids of a minute around the time are looked through.
        let long_ago = Filter { created_from: Some(at(-200_000)), created_to: Some(at(-199_999)), ..Filter::default() };
        assert_eq!(listed(hub, long_ago).await, 0);
    })
    .await;
}

async fn heartbeats_touch_no_index(db: Case) {
    apart(&db, USUAL, async |hub| {
        insert(hub, &[new_job(1)]).await;
        hold(hub, new_job(1).id, Some(id_at(0, 1)), at(1)).await;
    })
    .await;
    let raw = db.raw().await;
    let counts = "SELECT n_tup_hot_upd FROM pg_stat_user_tables WHERE schemaname = current_schema() AND relname = 'jobs'";
    let before = number(&raw, counts).await;
    apart(&db, USUAL, async |hub: &Database| {
        for nth in 0..10 {
            crate::fixtures::change(hub, new_job(1).id, |row| {
                row.last_heartbeat_at = Some(at(nth));
                row.log_lines += 1;
                row.job.lease.iter_mut().for_each(|lease| lease.expires_at = at(nth + 1));
            })
            .await;
        }
    })
    .await;
    let hot = number(&raw, counts).await - before;
    assert!(hot >= 10, "{hot} of 10 updates left the indexes alone");
    raw.close().await.unwrap();
}

async fn figures_of_queues_read_what_has_not_ended(db: Case) {
    uses(&db, &["ix_jobs_dispatched", "ix_jobs_held", "ix_jobs_waiting"], async |hub| {
        let loads = store::ops::queue_loads(hub, &Scope::All).await.unwrap();
        let load = &loads["invoices"];
        assert_eq!((load.waiting, load.dispatched, load.running, load.oldest_pending_at), (20, 20, 10, Some(at(-1_000))));
    })
    .await;
    uses_filled(&db, &["ix_jobs_held"], async |hub| {
        assert_eq!(store::workers::worker_jobs(hub, &Scope::All, id_at(0, 1)).await.unwrap().len(), 10);
    })
    .await;
}

async fn only_recently_ended_jobs_are_counted(db: Case) {
    fill(&db).await;
    // It reads the whole table, which must not be counted later.
    execute_apart(&db, "UPDATE jobs SET completed_at = created_at WHERE status = 'completed'; ANALYZE jobs").await;
    let later = chrono::Utc::now() + chrono::TimeDelta::hours(1);
    uses_filled(&db, &["ix_jobs_ended"], async |hub| assert_eq!(store::ops::job_count_ended(hub, &Scope::All, later).await.unwrap(), []))
        .await;
}

async fn retention_reads_the_oldest(db: Case) {
    uses(&db, &["jobs_pkey"], async |hub| assert_eq!(store::retention::retention_jobs(hub, at(-2_000), 500).await.unwrap(), 0)).await;
}

async fn an_api_key_is_found_by_one_look_up(db: Case) {
    let raw = db.raw().await;
    assert!(user_insert_if_absent(&db, &test_support::change(), "ana", "hash", at(0)).await.unwrap());
    let insertion = "INSERT INTO api_keys (id, owner_id, name, prefix, digest, created_at, expires_at, revoked_at) \
         SELECT gen_random_uuid(), id, 'key', 'rgk_00000000', lpad(to_hex(nth), 64, '0'), now(), CASE nth % 3 WHEN 1 THEN now() END, \
         CASE nth % 3 WHEN 2 THEN now() END FROM users, generate_series(1, 10000) AS nth; ANALYZE api_keys";
    raw.execute_unprepared(insertion).await.unwrap();
    raw.close().await.unwrap();
    // One that is good, one that expired, one that was revoked, and one that nobody made.
    for (nth, is_there) in [(3, true), (4, true), (5, true), (10_001, false)] {
        for planner in PLANNERS {
            let used = scans(&db, "api_keys", planner, async |hub: &Database| {
                for _ in 0..RUNS {
                    assert_eq!(api_key_find_unscoped(hub, &format!("{nth:064x}")).await.unwrap().is_some(), is_there);
                }
            })
            .await;
            assert_eq!(used, BTreeMap::from([("api_keys_digest_key".to_owned(), i64::from(RUNS))]), "{nth} {planner}");
        }
    }
}

/// Of 20,000 schedules, those that a scheduler must look at are found by the index of these times alone.
async fn due_schedules_are_found_without_the_others(db: Case) {
    let raw = db.raw().await;
    let insertion = "INSERT INTO schedules (id, automation_id, name, cron_expression, timezone, jitter_s, enabled, misfire_policy, misfire_limit, \
         misfire_grace_s, parameters, cursor_at, wake_at, state, revision, created_at, updated_at) \
         SELECT gen_random_uuid(), nth % 400, nth::text, '0 9 * * *', 'UTC', 0, true, 'skip', 100, 60, '{}', now(), \
         timestamptz '2030-01-01' + nth * interval '1 second', 'active', 1, now(), now() FROM generate_series(1, 20000) AS nth; ANALYZE schedules";
    raw.execute_unprepared(insertion).await.unwrap();
    raw.close().await.unwrap();
    for planner in PLANNERS {
        let used = scans(&db, "schedules", planner, async |hub: &Database| {
            for _ in 0..RUNS {
                let next = schedule_next_wake_unscoped(hub).await.unwrap().unwrap();
                let claim = Claim { now: next, until: next + chrono::TimeDelta::days(9), limit: 500 };
                assert_eq!(schedule_claim(hub, &claim).await.unwrap().len(), 1);
            }
        })
        .await;
        let expected = ["ix_schedules_wake", "schedules_pkey"];
        assert!(used.keys().all(|name| expected.contains(&name.as_str())) && used.len() == 2, "{planner}: {used:?}");
    }
}

async fn histories_read_the_runs_of_one_automation(db: Case) {
    fill(&db).await;
    // It reads the whole table, which must not be counted later.
    execute_apart(&db, "UPDATE jobs SET completed_at = created_at WHERE status = 'completed'; ANALYZE jobs").await;
    let since = chrono::Utc::now() - chrono::TimeDelta::days(400);
    for planner in PLANNERS {
        let used = scans(&db, "jobs", planner, async |hub: &Database| {
            for _ in 0..RUNS {
                let read = sla_list_history_unscoped(hub, AutomationId::new(7), since, 1001).await.unwrap();
                let last = sla_list_last_ends_unscoped(hub, &[AutomationId::new(7), AutomationId::new(8)], since).await.unwrap();
                assert_eq!((read.len(), last.len()), (0, 2), "they never started");
            }
        })
        .await;
        // Of an automation with few jobs all may be read.
        let expected = ["ix_jobs_automation", "ix_jobs_automation_ended"];
        assert!(used.keys().all(|name| expected.contains(&name.as_str())), "{planner}: {used:?}");
    }
}

async fn the_front_of_a_queue_is_read_without_the_ended_jobs(db: Case) {
    uses(&db, &["ix_jobs_dispatched", "ix_jobs_waiting"], async |hub| {
        assert_eq!(sla_list_front_unscoped(hub, "invoices", 100).await.unwrap().len(), 40);
    })
    .await;
}
