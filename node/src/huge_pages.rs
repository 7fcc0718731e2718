//! Large pages of memory, which Linux gives to whoever asks for them: the allocator does, and half-filled ones cost a
//! gateway that rests 20 MiB. The engine wants them, for its weights. `command` calls this before anything else.

/// Whether this process, and those that it starts, may have them.
pub(crate) fn allow(are_allowed: bool) {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(!are_allowed) {
        // A matter of memory alone.
        tracing::debug!(%error, "large pages are as they were");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = are_allowed;
}
