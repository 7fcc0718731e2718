//! How prompts share the tokens of a step.

/// Splits `budget`, at least 1, over sequences that want so many tokens each, oldest first. Equal shares; what a
/// short prompt leaves goes to the longer ones (max-min fairness). The oldest always gets at least one token,
/// so that every prompt is done in the end, however many keep coming.
pub(super) fn share(wanted: &[usize], budget: usize) -> Vec<usize> {
    let mut shares = vec![0; wanted.len()];
    let Some(first) = shares.first_mut() else { return shares };
    *first = 1;
    let mut left = budget.saturating_sub(1);
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    // The sort is stable: of equals, the older comes first.
    order.sort_by_key(|index| wanted[*index] - shares[*index]);
    for (served, index) in order.iter().enumerate() {
        let fair = left.div_ceil(wanted.len() - served);
        let given = fair.min(wanted[*index] - shares[*index]);
        shares[*index] += given;
        left -= given;
    }
    shares
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_short_prompts_leave_goes_to_long_ones() {
        assert_eq!(share(&[1000], 512), [512]);
        assert_eq!(share(&[1000, 10], 512), [502, 10]);
        assert_eq!(share(&[1000, 10, 1000], 512), [252, 10, 250]);
        assert_eq!(share(&[5, 5], 512), [5, 5]);
        assert_eq!(share(&[9, 9, 9], 2), [2, 0, 0]);
        assert!(share(&[], 512).is_empty());
    }

    proptest! {
        #[test]
        fn the_budget_is_kept_and_used_and_the_oldest_progresses(
            wanted in prop::collection::vec(1usize..300, 1..20),
            budget in 1usize..600,
        ) {
            let shares = share(&wanted, budget);
            prop_assert_eq!(shares.iter().sum::<usize>(), budget.min(wanted.iter().sum()));
            prop_assert!(shares.iter().zip(&wanted).all(|(share, wanted)| share <= wanted));
            prop_assert!(shares[0] >= 1);
        }
    }
}
