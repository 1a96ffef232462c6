//! Which processors a thread runs on.

use std::io;

use crate::sys::check;

/// Highest processor number that can be named, exclusive: the size of the kernel's default set.
pub const CPUS_MAX: usize = libc::CPU_SETSIZE as usize;

/// Lets the calling thread run on these processors only.
///
/// # Errors
/// `InvalidInput` for an empty list or a number not below [`CPUS_MAX`]; the system's error when
/// none of them may be used.
pub fn pin_current_thread(cpus: &[usize]) -> io::Result<()> {
    if cpus.is_empty() || cpus.iter().any(|cpu| *cpu >= CPUS_MAX) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut set = empty_set();
    for cpu in cpus {
        // SAFETY: `cpu` is below CPU_SETSIZE, so the bit lies inside the set.
        // JUSTIFICATION: affinity is not in std.
        unsafe { libc::CPU_SET(*cpu, &mut set) };
    }
    // SAFETY: the set is whole and its size is told; 0 means the calling thread.
    // JUSTIFICATION: as above.
    check(unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) })?;
    Ok(())
}

/// The processors the calling thread may run on, rising.
///
/// # Errors
/// More processors than [`CPUS_MAX`].
pub fn allowed_cpus() -> io::Result<Vec<usize>> {
    let mut set = empty_set();
    // SAFETY: the set is ours to write and its size is told.
    // JUSTIFICATION: affinity is not in std.
    check(unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) })?;
    // SAFETY: each number is below CPU_SETSIZE, so the bit lies inside the set.
    // JUSTIFICATION: as above.
    Ok((0..CPUS_MAX).filter(|cpu| unsafe { libc::CPU_ISSET(*cpu, &set) }).collect())
}

fn empty_set() -> libc::cpu_set_t {
    // SAFETY: cpu_set_t is an array of integers; all bits zero is the empty set.
    // JUSTIFICATION: libc offers no constructor.
    unsafe { std::mem::zeroed() }
}

#[cfg(test)]
mod tests {
    use super::{CPUS_MAX, allowed_cpus, pin_current_thread};

    #[test]
    fn a_pinned_thread_stays() {
        std::thread::spawn(|| {
            let all = allowed_cpus().unwrap();
            let last = *all.last().unwrap();
            pin_current_thread(&[last]).unwrap();
            assert_eq!(allowed_cpus().unwrap(), [last]);
        })
        .join()
        .unwrap();
        assert!(pin_current_thread(&[]).is_err());
        assert!(pin_current_thread(&[CPUS_MAX]).is_err());
    }
}
