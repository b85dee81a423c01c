use serde::Serialize;

/// The middle value; of an even number of values the mean of the two in the middle. NaN without values.
pub(crate) fn median(values: &[f64]) -> f64 {
    let sorted = sorted(values);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// The smallest value that at least `percent` of all values do not exceed (nearest rank). NaN without values.
pub(crate) fn percentile(values: &[f64], percent: usize) -> f64 {
    let sorted = sorted(values);
    let rank = (sorted.len() * percent).div_ceil(100).clamp(1, sorted.len().max(1));
    sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// One figure of both sides, measured in turns.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Versus {
    pub(crate) regente: f64,
    pub(crate) floor: f64,
    /// Ratio of the medians.
    pub(crate) ratio: f64,
    /// Ratio of each round.
    pub(crate) pairwise: Vec<f64>,
}

/// Medians of both sides and their ratios.
pub(crate) fn versus(regente: &[f64], floor: &[f64]) -> Versus {
    let (ours, theirs) = (median(regente), median(floor));
    let pairwise = regente.iter().zip(floor).map(|(ours, theirs)| ours / theirs).collect();
    Versus { regente: ours, floor: theirs, ratio: ours / theirs, pairwise }
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

    #[test]
    fn ratios_are_of_medians_and_of_rounds() {
        let both = versus(&[10.0, 30.0, 20.0], &[10.0, 10.0, 40.0]);
        assert!((both.ratio - 2.0).abs() < 1e-9);
        assert_eq!(both.pairwise, vec![1.0, 3.0, 0.5]);
    }
}
