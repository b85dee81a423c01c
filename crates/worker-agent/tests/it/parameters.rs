//! Unusable and excessive parameters.

use domain::job::{ErrorClass, Status};
use serde_json::{Map, Value, json};

use crate::{
    hub::assignment,
    support::{Bed, until},
};

#[tokio::test]
async fn a_job_that_cannot_be_parsed_fails_and_its_neighbours_run() {
    let mut bed = Bed::new().await;
    let deep = (0..200).fold(json!(1), |inner, _| json!([inner]));
    let jobs = [bed.shell("true"), bed.hub.job("SHELL", "x.sh", 0, json!({"deep": deep})), bed.shell("true")];
    bed.start(bed.settings(), None);
    let ends = [bed.end_of(jobs[0]).await, bed.end_of(jobs[1]).await, bed.end_of(jobs[2]).await];
    assert_eq!(ends.each_ref().map(|end| end.status), [Status::Completed, Status::Failed, Status::Completed]);
    assert_eq!(ends[1].error_class, Some(ErrorClass::InvalidParameters));
    assert!(ends[1].error_message.as_deref().unwrap().contains("recursion limit"), "{:?}", ends[1]);
    let later = bed.shell("true");
    assert_eq!(bed.end_of(later).await.status, Status::Completed);
}

#[tokio::test]
async fn very_many_parameters_do_not_delay_heartbeats() {
    let bed = Bed::with_agent().await;
    until(|| (bed.hub.state().heartbeats.len() > 1).then_some(())).await;
    bed.script("many.sh", "test \"$PARAM_KEY1\" = 1 && grep -q key199999 config.json && echo ran");
    let parameters: Map<String, Value> = (0..200_000).map(|n| (format!("key{n}"), json!(n))).collect();
    let job = bed.hub.add(assignment("SHELL", "many.sh", 0, parameters));
    let end = bed.end_of(job).await;
    assert_eq!(end.status, Status::Completed, "{:?}", end.error_message);
    let log: Vec<_> = bed.log_of(job).into_iter().map(|line| line.message).collect();
    assert!(log.len() == 2 && log[0].contains("of 200000 parameters are only in config.json") && log[1] == "ran", "{log:?}");
}
