use serde::Serialize;
pub(crate) use test_support::{median, percentile};

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
    fn ratios_are_of_medians_and_of_rounds() {
        let both = versus(&[10.0, 30.0, 20.0], &[10.0, 10.0, 40.0]);
        assert!((both.ratio - 2.0).abs() < 1e-9);
        assert_eq!(both.pairwise, vec![1.0, 3.0, 0.5]);
    }
}
