//! Jitter that every replica computes alike, from the schedule and the slot.

use crate::ids::ScheduleId;

/// Seconds after the slot, 0 to `max_s`.
pub(super) fn jitter(id: ScheduleId, slot: i64, max_s: i64) -> i64 {
    let Ok(range) = u64::try_from(max_s) else { return 0 };
    let (high, low) = id.get().as_u64_pair();
    let seed = mix(mix(high) ^ low) ^ slot.unsigned_abs();
    i64::try_from(mix(seed) % (range + 1)).unwrap_or_default()
}

/// The finalizer of splitmix64: neighbours become unrelated.
const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_everywhere_and_spread_over_its_range() {
        let slots: Vec<i64> = (0..1000).map(|day| 1_795_651_200 + day * 86_400).collect();
        let id = |id: u128| ScheduleId::new(uuid::Uuid::from_u128(id));
        let of = |of: u128| slots.iter().map(|slot| jitter(id(of), *slot, 59)).collect::<Vec<_>>();
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
        assert_eq!(jitter(id(7), 1_795_651_200, 300), 117, "replicas of other versions have the same");
        for second in 0..60 {
            assert!(of(7).contains(&second), "{second}");
        }
        assert_eq!((jitter(id(7), 1, 0), jitter(id(7), 1, -5)), (0, 0));
    }
}
