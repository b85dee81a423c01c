use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::schedule::{AutomationState, Zones};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn id(number: i32) -> AutomationId {
    AutomationId::new(number)
}

fn job(number: u128) -> JobId {
    Uuid::from_u128(number).into()
}

fn input(automation: i32) -> Input {
    Input { automation_id: id(automation), on: Ending::Completed, condition: None }
}

/// A chain from 1 and 2 to 9.
fn chain(join: Join) -> Chain {
    Chain {
        id: ChainId::new(Uuid::from_u128(7)),
        name: "after both".into(),
        automation_id: id(9),
        inputs: vec![input(1), input(2)],
        join,
        not_before: None,
        zone: Zones::bundled().get("America/Sao_Paulo").unwrap(),
        parameters: Map::new(),
        parameters_from: Vec::new(),
    }
}

fn ended(automation: i32) -> Ended {
    let status = Status::Completed;
    let (job_id, root) = (job(10), job(3));
    Ended { job_id, automation_id: id(automation), status, at: at("2026-11-27T02:30:00Z"), is_retried: false, root, result: None }
}

#[test]
fn each_status_counts_where_it_is_meant() {
    let table = [
        (Status::Completed, [true, false, true]),
        (Status::CompletedNoInvoices, [true, false, true]),
        (Status::Failed, [false, true, true]),
        (Status::Canceled, [false, false, true]),
        (Status::Pending, [false; 3]),
        (Status::Running, [false; 3]),
        (Status::Paused, [false; 3]),
    ];
    for (status, expected) in table {
        let ended = Ended { status, ..ended(1) };
        let accepts = [Ending::Completed, Ending::Failed, Ending::Any].map(|on| Input { on, ..input(1) }.accepts(&ended));
        assert_eq!(accepts, expected, "{status}");
    }
    let tried_again = Ended { status: Status::Failed, is_retried: true, ..ended(1) };
    assert!(![Ending::Failed, Ending::Any].into_iter().any(|on| Input { on, ..input(1) }.accepts(&tried_again)));
    assert!(!input(1).accepts(&ended(2)) && chain(Join::Any).accepts(&ended(2)) && !chain(Join::Any).accepts(&ended(3)));
}

#[test]
fn a_condition_is_about_the_result() {
    let condition = |pointer: &str, operator, value| Some(Condition { pointer: pointer.into(), operator, value });
    let result = json!({"count": 3, "files": [{"name": "a"}]});
    let accepts = |condition: Option<Condition>, result: &Option<Value>| {
        Input { condition, ..input(1) }.accepts(&Ended { result: result.clone(), ..ended(1) })
    };
    let some = Some(result);
    for (pointer, operator, value, expected) in [
        ("/count", Operator::Gt, Some(json!(2)), true),
        ("/count", Operator::Gt, Some(json!(3)), false),
        ("/files/0/name", Operator::Eq, Some(json!("a")), true),
        ("/files/1/name", Operator::Exists, None, false),
        ("", Operator::Exists, None, true),
    ] {
        assert_eq!(accepts(condition(pointer, operator, value), &some), expected, "{pointer} {operator}");
    }
    assert!(!accepts(condition("", Operator::Exists, None), &None) && accepts(condition("", Operator::Missing, None), &None));
}

#[test]
fn ends_belong_together_by_the_join() {
    let keys = |join| chain(join).key(&ended(1));
    assert_eq!(keys(Join::Any), job(10).to_string());
    assert_eq!(keys(Join::All), job(3).to_string());
    assert_eq!(keys(Join::AllToday), "2026-11-26", "the chain's day, not that of UTC");
    let complete = |join, counted: &[i32]| chain(join).is_complete(&counted.iter().map(|number| id(*number)).collect::<Vec<_>>());
    assert!(complete(Join::Any, &[2]) && !complete(Join::Any, &[]));
    for join in [Join::All, Join::AllToday] {
        assert!(complete(join, &[2, 1]) && !complete(join, &[1]) && !complete(join, &[1, 3]));
    }
}

#[test]
fn a_run_waits_for_its_time_of_the_day() {
    let due = |not_before: &str, ended: &str| {
        let time = super::not_before(not_before).unwrap();
        Chain { not_before: Some(time), ..chain(Join::Any) }.due_at(at(ended))
    };
    assert_eq!(due("07:30", "2026-11-26T08:00:00Z"), at("2026-11-26T10:30:00Z"));
    assert_eq!(due("07:30", "2026-11-26T10:30:00Z"), at("2026-11-26T10:30:00Z"));
    assert_eq!(due("07:30:15", "2026-11-26T23:00:00Z"), at("2026-11-26T23:00:00Z"), "it is past");
    // Midnight did not exist there on that day.
    assert_eq!(due("00:30", "2018-11-04T03:00:00Z"), at("2018-11-04T03:00:00Z"));
    assert_eq!(chain(Join::Any).due_at(at("2026-11-26T08:00:00Z")), at("2026-11-26T08:00:00Z"));
    for bad in ["", "24:00", "7", "07:60", "07:30Z"] {
        assert_eq!(not_before(bad).unwrap_err().field, "not_before", "{bad}");
    }
}

#[test]
fn parameters_come_from_the_results_that_are_meant() {
    let taken = |parameter: &str, pointer: &str, automation: Option<i32>| Taken {
        parameter: parameter.into(),
        pointer: pointer.into(),
        automation_id: automation.map(id),
    };
    let chain = Chain {
        parameters: json!({"fixed": 1, "file": "old"}).as_object().unwrap().clone(),
        parameters_from: vec![taken("file", "/file", None), taken("first", "/file", Some(1)), taken("gone", "/gone", None)],
        ..chain(Join::All)
    };
    let results = [(id(1), Some(json!({"file": "a"}))), (id(2), Some(json!({"file": "b"})))];
    let taken = |results: &[(AutomationId, Option<Value>)]| chain.parameters(results).map(Value::Object);
    assert_eq!(taken(&results), Ok(json!({"fixed": 1, "file": "b", "first": "a"})));
    let nothing = [(id(1), None), (id(2), None)];
    assert_eq!(taken(&nothing), Ok(json!({"fixed": 1, "file": "old"})));
    let large = [(id(2), Some(json!({"file": "x".repeat(MAX_PARAMETERS)})))];
    assert_eq!(taken(&large).unwrap_err().field, "parameters");
}

#[test]
fn only_results_that_are_meant_are_read() {
    let from = |automation_id: Option<i32>| Chain {
        parameters_from: vec![Taken { parameter: "p".into(), pointer: String::new(), automation_id: automation_id.map(id) }],
        ..chain(Join::All)
    };
    let takes = |chain: &Chain| [(1, false), (1, true), (2, false), (2, true)].map(|(input, last)| chain.takes_result(id(input), last));
    assert_eq!(takes(&chain(Join::All)), [false; 4]);
    assert_eq!(takes(&from(None)), [false, true, false, true]);
    assert_eq!(takes(&from(Some(1))), [true, true, false, false]);
    let condition = Condition { pointer: String::new(), operator: Operator::Exists, value: None };
    let asks = Chain { inputs: vec![Input { condition: Some(condition), ..input(1) }, input(2)], ..chain(Join::All) };
    assert!(asks.asks_result(id(1)) && !asks.asks_result(id(2)) && !asks.asks_result(id(3)));
}

#[test]
fn what_keeps_a_chain_from_running_is_its_state() {
    use AutomationState::{Archived, Paused, Ready};
    let told = |enabled, target, join, archived: &[bool]| {
        let (state, reason) = standing((enabled, true), target, (join, archived));
        (state.as_str(), reason.map(ChainStateReason::as_str))
    };
    assert_eq!(told(true, Ready, Join::All, &[false, false]), ("active", None));
    assert_eq!(told(true, Paused, Join::All, &[false, false]), ("active", Some("automation_paused")));
    assert_eq!(told(true, Archived, Join::All, &[true, false]), ("blocked", Some("automation_archived")));
    assert_eq!(told(false, Archived, Join::All, &[true, false]), ("disabled", Some("switched_off")));
    for (join, archived, is_blocked) in [
        (Join::Any, [true, false], false),
        (Join::Any, [true, true], true),
        (Join::All, [true, false], true),
        (Join::AllToday, [false, true], true),
    ] {
        let expected = if is_blocked { ("blocked", Some("input_archived")) } else { ("active", None) };
        assert_eq!(told(true, Ready, join, &archived), expected, "{join} {archived:?}");
    }
    let (state, reason) = standing((true, false), Ready, (Join::Any, &[false]));
    assert_eq!((state, reason), (ChainState::Blocked, Some(ChainStateReason::Unusable)));
}

#[test]
fn each_fault_names_its_field() {
    assert_eq!(chain(Join::All).faults(), []);
    let condition = |pointer: &str, operator, value| Some(Condition { pointer: pointer.into(), operator, value });
    let bad = Chain {
        name: String::new(),
        inputs: vec![
            Input { condition: condition("count", Operator::Gt, Some(json!([1]))), ..input(1) },
            Input { condition: condition("/a~2", Operator::Exists, Some(json!(1))), ..input(1) },
            Input { condition: condition("", Operator::Eq, None), ..input(2) },
        ],
        parameters: json!({"a": {"b": "x\u{0}"}}).as_object().unwrap().clone(),
        parameters_from: vec![
            Taken { parameter: String::new(), pointer: "x".into(), automation_id: Some(id(3)) },
            Taken { parameter: "p".into(), pointer: "/p".into(), automation_id: None },
            Taken { parameter: "p".into(), pointer: "/q".into(), automation_id: Some(id(1)) },
        ],
        ..chain(Join::All)
    };
    let fields: Vec<String> = bad.faults().into_iter().map(|fault| fault.field).collect();
    assert_eq!(
        fields,
        [
            "name",
            "inputs/0/condition/pointer",
            "inputs/0/condition/value",
            "inputs/1/automation_id",
            "inputs/1/condition/pointer",
            "inputs/1/condition/value",
            "inputs/2/condition/value",
            "parameters/a/b",
            "parameters_from/0/automation_id",
            "parameters_from/0/parameter",
            "parameters_from/0/pointer",
            "parameters_from/2/parameter",
        ]
    );
    assert_eq!(Chain { inputs: Vec::new(), ..chain(Join::Any) }.faults()[0].field, "inputs");
}

#[test]
fn the_key_of_a_run_is_found_in_its_job() {
    let chain = ChainId::new(Uuid::from_u128(7));
    let key = idempotency_key(chain, "2026-11-26").unwrap();
    assert_eq!(run_of(key.as_str()), Some((chain, "2026-11-26")));
    for other in ["chain/x/1", "schedule/1/2", "chain/", ""] {
        assert_eq!(run_of(other), None, "{other}");
    }
}

#[test]
fn a_circle_is_found_with_its_way() {
    let way = |inputs: &[i32], target, others: &[(i32, i32)]| {
        let inputs: Vec<_> = inputs.iter().map(|number| id(*number)).collect();
        let found = cycle((&inputs, id(target)), others.iter().map(|(from, to)| (id(*from), id(*to))));
        found.map(|way| way.into_iter().map(AutomationId::get).collect::<Vec<_>>())
    };
    assert_eq!(way(&[1], 1, &[]), Some(vec![1, 1]), "onto itself");
    assert_eq!(way(&[3, 2], 1, &[(1, 2), (2, 3)]), Some(vec![1, 2, 1]), "the shortest");
    assert_eq!(way(&[3], 1, &[(1, 2), (2, 3)]), Some(vec![1, 2, 3, 1]));
    // A diamond is none, nor is a circle of others.
    assert_eq!(way(&[2, 3], 4, &[(1, 2), (1, 3)]), None);
    assert_eq!(way(&[1], 2, &[(3, 4), (4, 3), (2, 3)]), None);
}

proptest! {
    /// Chains that are saved one after the other, each only if there is no cycle, leave a graph that has an order.
    #[test]
    fn what_may_be_saved_can_be_sorted(edges in prop::collection::vec((0..8_i32, 0..8_i32), 0..30)) {
        let mut saved: Vec<(AutomationId, AutomationId)> = Vec::new();
        for (from, to) in edges {
            match cycle((&[id(from)], id(to)), saved.iter().copied()) {
                None => saved.push((id(from), id(to))),
                Some(way) => {
                    prop_assert_eq!((way.first(), way.last()), (Some(&id(to)), Some(&id(to))));
                    let edge = (id(from), id(to));
                    prop_assert!(way.windows(2).all(|step| (step[0], step[1]) == edge || saved.contains(&(step[0], step[1]))));
                }
            }
        }
        let mut left: Vec<AutomationId> = (0..8).map(id).collect();
        while !left.is_empty() {
            let before = left.len();
            let stays: Vec<_> = left.iter().copied().filter(|node| saved.iter().any(|(from, to)| to == node && left.contains(from))).collect();
            prop_assert!(stays.len() < before, "{:?}", saved);
            left = stays;
        }
    }

    /// Whatever the order in which ends are heard of, the run is due when the last of them is.
    #[test]
    fn a_join_is_complete_with_its_last_input(order in Just((1..=6_i32).collect::<Vec<_>>()).prop_shuffle(), extra in 1..=6_i32) {
        let chain = Chain { inputs: (1..=6).map(input).collect(), ..chain(Join::All) };
        let mut counted = vec![id(extra)];
        for (nth, automation) in order.iter().enumerate() {
            let missing = order[nth..].iter().any(|one| *one != extra);
            prop_assert_eq!(chain.is_complete(&counted), !missing);
            counted.push(id(*automation));
        }
        prop_assert!(chain.is_complete(&counted));
    }
}
