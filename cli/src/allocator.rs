//! The allocator's policy.
#![allow(unsafe_code)]

/// Lets the allocator return a buffer of a megabyte or more to the system as soon as it is freed. Without this, glibc raises its threshold
/// to the largest buffer that was freed (`mallopt(3)`, `M_MMAP_THRESHOLD`), and then keeps some for each thread: more than `--memory`
/// leaves room for.
pub fn return_large_buffers() {
    #[cfg(target_env = "gnu")]
    // SAFETY: `mallopt` takes two numbers, and may be called at any time. If it fails, which it says, the policy is as it was.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 20);
    }
}
