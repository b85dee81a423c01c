/// The middle value; of an even number of values the mean of the two in the middle. NaN without values.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let sorted = sorted(values);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// The smallest value that at least `percent` of all values do not exceed (nearest rank). NaN without values.
#[must_use]
pub fn percentile(values: &[f64], percent: usize) -> f64 {
    let sorted = sorted(values);
    let rank = (sorted.len() * percent).div_ceil(100).clamp(1, sorted.len().max(1));
    sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn percentiles_are_nearest_rank() {
        let hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        for (percent, expected) in [(50, 50.0), (99, 99.0), (100, 100.0), (1, 1.0)] {
            assert!((percentile(&hundred, percent) - expected).abs() < 1e-9, "p{percent}");
        }
        assert!((percentile(&[7.0], 99) - 7.0).abs() < 1e-9);
        assert!((percentile(&[1.0, 2.0, 3.0], 50) - 2.0).abs() < 1e-9);
        assert!(percentile(&[], 50).is_nan());
    }
}
