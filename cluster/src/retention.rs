//! How long a loaded model stays when nobody asks it anything: the other half of `placement`, decided by each node
//! for its own replicas, so that no two gateways disagree about it. Asked by the Models actor now and then; idle
//! times come in as numbers, and what goes comes out as names.

use std::collections::{BTreeMap, BTreeSet};

use pomona_protocol::ModelId;

/// What a node keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Milliseconds without a turn after which a model goes; 0 means never.
    pub idle_ms_max: u64,
    /// The same for single models; 0 keeps that one.
    pub idle_ms_max_of: BTreeMap<ModelId, u64>,
    /// Models that stay however idle they are.
    pub pinned: BTreeSet<ModelId>,
}

/// A model that is loaded, as its node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resident {
    /// Which.
    pub model: ModelId,
    /// Milliseconds since its last turn; 0 while it has one, and while it is not ready.
    pub idle_ms: u64,
    /// The fleet's wishes put it here: it would only come back.
    pub is_wanted: bool,
}

impl Retention {
    /// From the texts of the configuration; what does not read as `model=milliseconds` was refused by its check.
    pub fn new(idle_ms_max: u64, of: &[String], pinned: &[String]) -> Self {
        let parse = |text: &String| {
            let (model, idle_ms) = text.rsplit_once('=')?;
            Some((ModelId::from(model.trim()), idle_ms.trim().parse().ok()?))
        };
        Self {
            idle_ms_max,
            idle_ms_max_of: of.iter().filter_map(parse).collect(),
            pinned: pinned.iter().map(|model| ModelId::from(model.trim())).collect(),
        }
    }

    /// Milliseconds without a turn after which this model goes; `None` when it stays.
    pub fn idle_ms_max(&self, model: &ModelId) -> Option<u64> {
        let own = self.idle_ms_max_of.get(model).copied().unwrap_or(self.idle_ms_max);
        (own > 0 && !self.pinned.contains(model)).then_some(own)
    }

    /// What goes now.
    pub fn expired(&self, residents: &[Resident]) -> Vec<ModelId> {
        let is_over = |resident: &&Resident| {
            let most = self.idle_ms_max(&resident.model).filter(|_| !resident.is_wanted);
            most.is_some_and(|most| resident.idle_ms >= most)
        };
        residents.iter().filter(is_over).map(|resident| resident.model.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn resident(model: &str, idle_ms: u64) -> Resident {
        Resident { model: model.into(), idle_ms, is_wanted: false }
    }

    fn rules(idle_ms_max: u64, of: &[&str], pinned: &[&str]) -> Retention {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Retention::new(idle_ms_max, &texts(of), &texts(pinned))
    }

    #[test]
    fn a_model_goes_after_its_own_time_or_that_of_all() {
        let residents = [resident("a", 50), resident("b", 50), resident("c", 50)];
        let expired =
            |rules: &Retention| rules.expired(&residents).iter().map(|m| m.0.clone()).collect::<String>();
        assert_eq!(expired(&rules(0, &[], &[])), "");
        assert_eq!(expired(&rules(50, &[], &[])), "abc");
        assert_eq!(expired(&rules(51, &[], &[])), "");
        assert_eq!(expired(&rules(10, &["b=100", "c = 0"], &[])), "a");
        assert_eq!(expired(&rules(0, &["b=20"], &[])), "b");
        assert_eq!(expired(&rules(10, &["a=5"], &["a", "c"])), "b");
    }

    #[test]
    fn what_the_fleet_wants_stays() {
        let wanted = Resident { is_wanted: true, ..resident("a", u64::MAX) };
        assert!(rules(1, &["a=1"], &[]).expired(&[wanted]).is_empty());
    }

    proptest! {
        #[test]
        fn nothing_pinned_busy_or_kept_goes(
            idle in prop::collection::vec(0u64..5, 4),
            most in 0u64..5,
            pinned in prop::collection::btree_set(0usize..4, 0..4),
        ) {
            let names = ["a", "b", "c", "d"];
            let rules = Retention {
                idle_ms_max: most,
                idle_ms_max_of: BTreeMap::new(),
                pinned: pinned.iter().map(|at| ModelId::from(names[*at])).collect(),
            };
            let residents: Vec<_> = names.iter().zip(&idle).map(|(name, idle)| resident(name, *idle)).collect();
            for model in rules.expired(&residents) {
                let at = names.iter().position(|name| *name == model.0).unwrap();
                prop_assert!(!pinned.contains(&at) && idle[at] > 0 && idle[at] >= most && most > 0);
            }
        }
    }
}
