//! What happens at a panic. libFuzzer's own hook ends the process at any, and so hides that the engine catches those of a
//! library; whatever is not caught ends the process all the same.

use std::collections::BTreeSet;
use std::panic;
use std::sync::{Mutex, Once, PoisonError};

/// Says each panic once per place in the code, and lets it be caught.
pub(crate) fn are_fatal_if_not_caught() {
    static ONCE: Once = Once::new();
    static SEEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    ONCE.call_once(|| {
        panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            if SEEN.lock().unwrap_or_else(PoisonError::into_inner).insert(place) {
                eprintln!("{panic}");
            }
        }));
    });
}
