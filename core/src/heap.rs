//! Memory that was freed, given back to the system.
//!
//! The C library of most Linux desktops keeps freed pieces of up to 32 MiB for later. Contexts of llama.cpp consist of
//! such pieces, and what lives between them pins them: the process would grow with every change between the queue and
//! answers. Other systems give large pieces back by themselves. Rooms it touches: none.

/// Gives free memory back to the system, a few milliseconds' work. Does nothing where that is not needed.
pub(crate) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "a call of the C library; there is no safe form of it")]
    // SAFETY: `malloc_trim` takes no pointer, and may be called by any thread at any time (MT-Safe in glibc's manual).
    unsafe {
        libc::malloc_trim(0);
    }
}
