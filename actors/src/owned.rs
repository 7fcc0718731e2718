//! Tasks with an owner: dropping the handle ends the task.

use std::future::Future;

use tokio_util::task::AbortOnDropHandle;

/// The one place of this crate that starts tasks.
#[expect(clippy::disallowed_methods, reason = "the handle is the owner")]
pub(crate) fn spawn<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
) -> AbortOnDropHandle<T> {
    AbortOnDropHandle::new(tokio::spawn(future))
}
