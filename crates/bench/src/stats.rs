use serde::Serialize;
pub(crate) use test_support::{median, percentile};

/// One figure of both sides, measured alternately.
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

/// Regente's ratio beside the floor's own, where each is of a side's two states.
pub(crate) fn ratio_of_ratios(regente: &Versus, floor: &Versus) -> Versus {
    let pairwise = regente.pairwise.iter().zip(&floor.pairwise).map(|(ours, theirs)| ours / theirs).collect();
    Versus { regente: regente.ratio, floor: floor.ratio, ratio: regente.ratio / floor.ratio, pairwise }
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

    #[test]
    fn a_ratio_is_put_beside_another_by_round() {
        let (ours, theirs) = (versus(&[30.0, 40.0], &[100.0, 100.0]), versus(&[5.0, 8.0], &[10.0, 10.0]));
        let both = ratio_of_ratios(&ours, &theirs);
        assert!((both.ratio - 0.35 / 0.65).abs() < 1e-9);
        assert!((both.pairwise[0] - 0.6).abs() < 1e-9 && (both.pairwise[1] - 0.5).abs() < 1e-9);
    }
}
