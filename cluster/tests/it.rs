//! A bounded number of simulated clusters, and the proof that the simulator can fail.

mod sessions;
mod sim;

use sim::{Break, run_seed, run_seeds};

/// Seeds of the ordinary run; `cargo xtask sim` takes as many as one likes.
const SEEDS: u64 = 200;
/// Seeds within which a broken shell has to be found.
const SEEDS_TO_BREAK: u64 = 200;

#[test]
fn whole_clusters_keep_every_promise_under_faults() {
    let (stats, failure) = run_seeds(1, SEEDS, None);
    if let Some(failure) = failure {
        panic!("{failure}");
    }
    assert_eq!(stats.clusters, SEEDS);
    assert!(stats.tokens > 0 && !stats.failovers.is_empty(), "{stats}");
}

#[test]
fn a_seed_gives_the_same_run_every_time() {
    let runs = [run_seed(7, None).0, run_seed(7, None).0];
    assert_eq!(format!("{:?}", runs[0]), format!("{:?}", runs[1]));
}

#[test]
fn every_broken_shell_is_found() {
    for broken in Break::ALL {
        let (stats, failure) = run_seeds(1, SEEDS_TO_BREAK, Some(broken));
        let failure = failure.unwrap_or_else(|| panic!("{} was not found:\n{stats}", broken.name()));
        assert!(failure.to_string().contains(broken.name()), "{failure}");
    }
}
