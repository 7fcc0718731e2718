//! What is noted of replicas that come and go.

use super::bench::{model, ready, replica};
use crate::engines::Engines;

#[test]
fn a_replica_that_ends_late_takes_nothing_from_the_one_behind_it() {
    let engines = Engines::default();
    let [first, second] = [(); 2].map(|()| {
        let incarnation = engines.next_incarnation(&model());
        ready(pomona_protocol::ReplicaId { incarnation, ..replica("n") })
    });
    assert_ne!(first.replica, second.replica);
    engines.publish(first.clone(), None);
    engines.publish(second.clone(), None);
    engines.publish(first.clone(), None);
    engines.remove(&first.replica);
    assert_eq!(engines.reports(), std::slice::from_ref(&second));
    engines.remove(&second.replica);
    assert_eq!(engines.reports(), []);
}
