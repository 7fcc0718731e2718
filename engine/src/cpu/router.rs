//! Which experts a token goes to, and with which weights: a pure function of the router's logits.
//!
//! Called by the step for each row. Computed number by number with a library of our own choice, so that all machines
//! choose the same experts with the same bits.

use crate::checkpoint::{ExpertWeighting, ExpertsConfig};

/// An expert for a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Choice {
    pub(crate) row: usize,
    /// Multiplies what the expert says.
    pub(crate) weight: f32,
}

/// Adds the row to the lists of the experts it goes to: those with the highest logits, the lower number of equals.
pub(crate) fn choose(config: &ExpertsConfig, logits: &[f32], row: usize, lists: &mut [Vec<Choice>]) {
    let mut chosen: Vec<(usize, f32)> = Vec::with_capacity(config.chosen);
    for _ in 0..config.chosen.min(logits.len()) {
        let mut best: Option<(usize, f32)> = None;
        for (expert, &logit) in logits.iter().enumerate() {
            let is_free = chosen.iter().all(|&(taken, _)| taken != expert);
            if is_free && best.is_none_or(|(_, greatest)| logit > greatest) {
                best = Some((expert, logit));
            }
        }
        chosen.extend(best);
    }
    let Some(&(_, greatest)) = chosen.first() else { return };
    let power = |logit: f32| libm::expf(logit - greatest);
    let total: f32 = match config.weighting {
        ExpertWeighting::SoftmaxOfAll => logits.iter().map(|&logit| power(logit)).sum(),
        ExpertWeighting::SoftmaxOfChosen => chosen.iter().map(|&(_, logit)| power(logit)).sum(),
    };
    for (expert, logit) in chosen {
        lists[expert].push(Choice { row, weight: power(logit) / total });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(weighting: ExpertWeighting, logits: &[f32]) -> Vec<(usize, f32)> {
        let experts = logits.len();
        let config =
            ExpertsConfig { experts, chosen: 2, intermediate: 1, weighting, router_bias: false, bias: false };
        let mut lists = vec![Vec::new(); experts];
        choose(&config, logits, 7, &mut lists);
        let of_expert = |(expert, list): (usize, Vec<Choice>)| {
            list.into_iter().map(move |choice| {
                assert_eq!(choice.row, 7);
                (expert, choice.weight)
            })
        };
        lists.into_iter().enumerate().flat_map(of_expert).collect()
    }

    #[test]
    fn of_equal_logits_the_lower_numbers_win() {
        let even = chosen(ExpertWeighting::SoftmaxOfChosen, &[1.0, 3.0, 3.0, 3.0]);
        assert_eq!(even, [(1, 0.5), (2, 0.5)]);
    }

    #[test]
    fn weights_are_shares_of_all_or_of_the_chosen() {
        let logits = [0.0, 3f32.ln(), 4f32.ln()];
        let of_all = chosen(ExpertWeighting::SoftmaxOfAll, &logits);
        let of_chosen = chosen(ExpertWeighting::SoftmaxOfChosen, &logits);
        for (found, expected) in [(of_all, [3.0 / 8.0, 0.5]), (of_chosen, [3.0 / 7.0, 4.0 / 7.0])] {
            assert_eq!(found.iter().map(|choice| choice.0).collect::<Vec<_>>(), [1, 2]);
            assert!(found.iter().zip(expected).all(|(choice, weight)| (choice.1 - weight).abs() < 1e-6));
        }
    }

    #[test]
    fn logits_that_are_no_numbers_choose_as_many() {
        assert_eq!(chosen(ExpertWeighting::SoftmaxOfAll, &[f32::NAN; 3]).len(), 2);
    }
}
