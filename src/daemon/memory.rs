//! How freed memory goes back to the system.
//!
//! glibc raises the size from which an allocation is a mapping of its own to that of the largest one it saw freed, so
//! that after the first 25 MiB mail every thread's arena keeps such blocks: 64 large mails in parallel left 390 MiB
//! resident, and 43 MiB with the size pinned (mallopt(3), M_MMAP_THRESHOLD). The `replyd` binary brings an allocator of its
//! own, which gives large blocks back by itself; this is for programs that run the library on glibc's.

/// Pins the size; before the first thread is started.
pub fn return_large_blocks() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    pin();
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "the allocator is tuned by a C function")]
fn pin() {
    const OCTETS: i32 = 128 * 1024;
    // SAFETY: mallopt(3) takes two numbers and touches the allocator's settings only; a refusal changes nothing.
    let _ = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, OCTETS) };
}
