//! The thread that QUIC runs on. Acknowledgements and keep-alives must go out while every other thread computes, or a
//! busy machine looks dead; so sockets, timers and connections are driven by a runtime of their own.

use std::future::Future;
use std::io;
use std::net::UdpSocket;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use quinn::{AsyncTimer, AsyncUdpSocket, Runtime, TokioRuntime};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Puts quinn's work on one runtime, whichever thread asks for it.
#[derive(Debug)]
pub(crate) struct NetRuntime {
    handle: Handle,
}

impl NetRuntime {
    pub(crate) fn shared(handle: Handle) -> Arc<dyn Runtime> {
        Arc::new(Self { handle })
    }
}

impl Runtime for NetRuntime {
    fn new_timer(&self, at: Instant) -> Pin<Box<dyn AsyncTimer>> {
        let _entered = self.handle.enter();
        TokioRuntime.new_timer(at)
    }

    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
        // The runtime owns these: they end with their connection, or with the thread.
        self.handle.spawn(future);
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let _entered = self.handle.enter();
        TokioRuntime.wrap_udp_socket(socket)
    }
}

/// The thread; asked to stop when this is dropped, and waited for by nobody but [`NetThread::stopped`].
pub(crate) struct NetThread {
    stop: Option<oneshot::Sender<()>>,
    stopped: Option<oneshot::Receiver<()>>,
}

impl NetThread {
    /// Starts the thread, makes what it is to drive with `build` on it, and runs `work` on that until it is told to
    /// stop.
    pub(crate) async fn start<T, B, W, F>(build: B, work: W) -> io::Result<(Self, T)>
    where
        T: Clone + Send + 'static,
        B: FnOnce(Handle) -> io::Result<T> + Send + 'static,
        W: FnOnce(T, oneshot::Receiver<()>) -> F + Send + 'static,
        F: Future<Output = ()>,
    {
        let (stop, stopping) = oneshot::channel();
        let (done, stopped) = oneshot::channel();
        let (built, ready) = oneshot::channel();
        std::thread::Builder::new().name("pomona-net".to_owned()).spawn(move || {
            let made = Builder::new_current_thread().enable_all().build().and_then(|runtime| {
                let part = build(runtime.handle().clone())?;
                Ok((runtime, part))
            });
            match made {
                Ok((runtime, part)) => {
                    if built.send(Ok(part.clone())).is_ok() {
                        runtime.block_on(work(part, stopping));
                    }
                }
                // Nobody waits for the answer any more: there is nothing to tell.
                Err(error) => drop(built.send(Err(error))),
            }
            drop(done);
        })?;
        let part = ready.await.map_err(|_| io::Error::other("the network thread died while starting"))??;
        Ok((Self { stop: Some(stop), stopped: Some(stopped) }, part))
    }

    /// Asks the thread to stop.
    pub(crate) fn stop(&mut self) -> Option<oneshot::Receiver<()>> {
        // Dropping the sender is the signal; a thread that is gone already has heard it.
        drop(self.stop.take());
        self.stopped.take()
    }
}

impl Drop for NetThread {
    fn drop(&mut self) {
        drop(self.stop());
    }
}
