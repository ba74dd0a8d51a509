//! What the examples share.

use std::time::Duration;

/// Bytes that tell keys apart.
pub(crate) fn key_bytes(seed: u64) -> [u8; 32] {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    bytes
}

/// CPU time of this thread.
pub(crate) fn cpu(work: impl FnOnce()) -> Duration {
    let now = || {
        let t = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Duration::new(t.tv_sec as u64, t.tv_nsec as u32)
    };
    let from = now();
    work();
    now() - from
}
