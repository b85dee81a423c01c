//! Chains that wait for more than one automation.

use api_types::{Automation, ChainRun};
use domain::{chain::RunState, ids::JobId};
use e2e::{Delivery, World, on_both};
use serde_json::{Value, json};
use test_support::eventually;

use super::{ask, completed, create, decided, failed, finish, job, jobs, run, runs};
use crate::support::{automation, calm};

on_both!(a_join_of_today_runs_once_a_day_with_the_results_of_all, a_diamond_has_one_end_for_each_beginning,);

async fn a_join_of_today_runs_once_a_day_with_the_results_of_all(delivery: Delivery) {
    let world = calm(delivery).await;
    let (a, b, c) = (automation(&world, "a").await, automation(&world, "b").await, automation(&world, "c").await);
    // A day that neither begins nor ends in the next minutes, wherever the test runs.
    let more = json!({
        "join": "all_today", "timezone": super::morning(), "parameters_from": [
            {"parameter": "of_a", "pointer": "/n", "automation_id": a.id}, {"parameter": "last", "pointer": "/n"}
        ]
    });
    let chain = ask(&world, (&[&a, &b], &c), more).await.expect(201).json();
    let _of_no_input_yet = run(&world, &b, failed()).await;
    let first = run(&world, &a, completed(json!({"n": 1}))).await;
    let _again = run(&world, &a, completed(json!({"n": 2}))).await;
    let last = run(&world, &b, completed(json!({"n": 3}))).await;
    let found = decided(&world, &chain, 1).await;
    assert_eq!((found[0].after_job_id, found[0].key.len()), (last.id, "2026-11-27".len()));
    let made = job(&world, &found[0]).await;
    assert_eq!(Value::Object(made.parameters), json!({"of_a": 1, "last": 3}), "the first end of the day counts: {}", first.id);
    // Another chain shows that the next ends had their turn.
    let witness = create(&world, (&b, &automation(&world, "d").await), json!({})).await;
    let _more = [run(&world, &a, completed(json!({}))).await, run(&world, &b, completed(json!({}))).await];
    let _counted = decided(&world, &witness, 1).await;
    assert_eq!((runs(&world, &chain).await.len(), jobs(&world, &c).await.len()), (1, 1), "once a day");
    world.end().await;
}

/// Runs the job that a chain gave an automation after the work of `root` to its end.
async fn follow(world: &World, automation: &Automation, after: JobId) {
    let next = async || jobs(world, automation).await.into_iter().find(|job| job.parameters.get("after") == Some(&json!(after)));
    let job = eventually("the chain gave it a job", next).await;
    let _ended = finish(world, &job, completed(json!({"after": after}))).await;
}

async fn a_diamond_has_one_end_for_each_beginning(delivery: Delivery) {
    let world = calm(delivery).await;
    let [a, b1, b2, c] =
        [automation(&world, "a").await, automation(&world, "b1").await, automation(&world, "b2").await, automation(&world, "c").await];
    let hand_on = json!({"parameters_from": [{"parameter": "after", "pointer": "/after"}]});
    for b in [&b1, &b2] {
        let _chain = create(&world, (&a, b), hand_on.clone()).await;
    }
    let mut join = hand_on.clone();
    join["join"] = json!("all");
    let end = ask(&world, (&[&b1, &b2], &c), join).await.expect(201).json();
    let mut roots = Vec::new();
    for _ in 0..2 {
        let begun = world.client.execute(&a, &json!({})).await;
        let _ended = finish(&world, &begun, completed(json!({"after": begun.id}))).await;
        roots.push(begun.id);
    }
    // Crosswise, so that the ends of the two are not in order.
    follow(&world, &b1, roots[0]).await;
    follow(&world, &b1, roots[1]).await;
    follow(&world, &b2, roots[1]).await;
    let half: Vec<ChainRun> = decided(&world, &end, 1).await;
    assert_eq!(half.iter().map(|run| run.root_job_id).collect::<Vec<_>>(), roots[1..]);
    follow(&world, &b2, roots[0]).await;
    let found = decided(&world, &end, 2).await;
    let ends: Vec<_> = found.iter().map(|run| (run.root_job_id, run.key.clone(), run.state)).collect();
    let expected = |root: JobId| (root, root.to_string(), RunState::Created);
    assert_eq!(ends, [expected(roots[1]), expected(roots[0])]);
    let after: Vec<_> = jobs(&world, &c).await.into_iter().map(|job| job.parameters["after"].clone()).collect();
    assert!(after.len() == 2 && roots.iter().all(|root| after.contains(&json!(root))), "{after:?}");
    world.end().await;
}
