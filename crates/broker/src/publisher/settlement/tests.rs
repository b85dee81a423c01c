use super::*;

fn confirm(id: u64, returned: Option<u64>) -> Confirmed<u64> {
    Confirmed { id, acked: true, returned, reply: id }
}

fn sorted(mut verdicts: Vec<(u64, Verdict)>) -> Vec<(u64, Verdict)> {
    verdicts.sort_by_key(|(id, _)| *id);
    verdicts
}

#[test]
fn a_plain_confirm_is_routed_at_once() {
    let mut settlement = Settlement::default();
    let verdicts = settlement.settle(vec![confirm(1, None)], false);
    assert_eq!(verdicts, [(1, Verdict::Routed)]);
}

#[test]
fn a_nack_is_reported() {
    let mut settlement = Settlement::default();
    let nacked = Confirmed { acked: false, ..confirm(1, None) };
    assert_eq!(settlement.settle(vec![nacked], false), [(1, Verdict::Nacked)]);
}

#[test]
fn a_return_carried_by_another_confirm_finds_its_message() {
    let mut settlement = Settlement::default();
    let batch = vec![confirm(2, None), confirm(1, Some(2))];
    let verdicts = sorted(settlement.settle(batch, true));
    assert_eq!(verdicts, [(1, Verdict::Routed), (2, Verdict::Unroutable)]);
}

#[test]
fn a_return_seen_before_its_confirm_is_remembered() {
    let mut settlement = Settlement::default();
    assert_eq!(settlement.settle(vec![confirm(1, Some(2))], false), []);
    let verdicts = sorted(settlement.settle(vec![confirm(2, None)], false));
    assert_eq!(verdicts, [(1, Verdict::Routed), (2, Verdict::Unroutable)]);
}

#[test]
fn a_return_that_comes_after_its_confirm_is_waited_for() {
    let mut settlement = Settlement::default();
    // 1 and 2 are unroutable, and 2 is confirmed first: it takes the return of 1, and 1 takes that of 2.
    assert_eq!(settlement.settle(vec![confirm(2, Some(1))], false), []);
    let verdicts = sorted(settlement.settle(vec![confirm(1, Some(2))], false));
    assert_eq!(verdicts, [(1, Verdict::Unroutable), (2, Verdict::Unroutable)]);
}

#[test]
fn nothing_stays_undecided_when_no_confirm_is_awaited() {
    let mut settlement = Settlement::default();
    assert_eq!(settlement.settle(vec![confirm(3, Some(4))], false), []);
    let verdicts = sorted(settlement.settle(vec![confirm(4, None)], true));
    assert_eq!(verdicts, [(3, Verdict::Routed), (4, Verdict::Unroutable)]);
    assert!(settlement.held.is_empty() && settlement.returned.is_empty());
}

/// Plays the library's part for every order of confirms, every choice of unroutable messages and every split of the
/// confirms into batches.
#[test]
fn every_order_of_confirms_gives_every_message_its_own_verdict() {
    for order in permutations(vec![1, 2, 3, 4]) {
        for unroutable in 0..16_u64 {
            for split in 0..8_u64 {
                check(&order, |id| unroutable >> (id - 1) & 1 == 1, split);
            }
        }
    }
}

fn check(order: &[u64], unroutable: impl Fn(u64) -> bool, split: u64) {
    // All returns arrive, in the order of publishing, before the first confirm.
    let mut returns: std::collections::VecDeque<u64> = (1..=4).filter(|id| unroutable(*id)).collect();
    let mut settlement = Settlement::default();
    let mut verdicts = Vec::new();
    let mut batch = Vec::new();
    for (position, id) in order.iter().enumerate() {
        batch.push(confirm(*id, returns.pop_front()));
        let last = position + 1 == order.len();
        if last || split >> position & 1 == 1 {
            batch.reverse();
            verdicts.extend(settlement.settle(std::mem::take(&mut batch), last));
        }
    }
    assert_eq!(verdicts.len(), 4, "everything is decided in the end");
    for (id, verdict) in sorted(verdicts) {
        let expected = if unroutable(id) { Verdict::Unroutable } else { Verdict::Routed };
        assert_eq!(verdict, expected, "message {id} of {order:?}");
    }
}

fn permutations(items: Vec<u64>) -> Vec<Vec<u64>> {
    if items.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for index in 0..items.len() {
        let mut rest = items.clone();
        let first = rest.remove(index);
        for mut tail in permutations(rest) {
            tail.insert(0, first);
            all.push(tail);
        }
    }
    all
}
