//! Which processors a thread runs on, and who goes before it.

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

/// Raises the nice level of the calling thread: others go before it. What it begins has its level.
///
/// # Errors
/// The system's, when `more` is negative and this process has no right to it.
pub fn add_nice(more: i32) -> io::Result<()> {
    let level = nice_level()?.saturating_add(more);
    // SAFETY: no memory is touched; 0 means the calling thread (on Linux, see setpriority(2)).
    // JUSTIFICATION: priorities are not in std.
    check(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, level) })?;
    Ok(())
}

/// The nice level of the calling thread, from -20 to 19.
///
/// # Errors
/// The system's.
pub fn nice_level() -> io::Result<i32> {
    // SAFETY: no memory is touched; 0 means the calling thread. The call itself, not the library's
    // function, whose -1 may be a level or an error: the kernel gives 20 less the level.
    // JUSTIFICATION: as above.
    let given = unsafe { libc::syscall(libc::SYS_getpriority, libc::PRIO_PROCESS, 0) };
    if given < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(20_i32.saturating_sub(i32::try_from(given).unwrap_or(20)))
}

/// Has the calling thread run for so long at a time, in nanoseconds, where others want its
/// processor too. The shorter the time, the sooner a thread gets the processor that wakes up, and
/// it gets as much of it altogether as before. For Linux from 6.12 on, of threads without a
/// priority of real time; others take it and change nothing. The kernel keeps it within 0.1 to 100
/// ms.
///
/// # Errors
/// The system's.
pub fn set_slice(ns: u64) -> io::Result<()> {
    let mut told = attributes()?;
    told.sched_runtime = ns;
    // SAFETY: the structure is whole and says its size; 0 means the calling thread.
    // JUSTIFICATION: slices are not in std.
    let done = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const told, 0) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn attributes() -> io::Result<libc::sched_attr> {
    let size = size_of::<libc::sched_attr>() as u32;
    // SAFETY: the structure is of integers; all bits zero is one that asks for nothing.
    // JUSTIFICATION: libc offers no constructor.
    let mut told: libc::sched_attr = unsafe { std::mem::zeroed() };
    // SAFETY: the structure is ours to write and its size is told; 0 means the calling thread.
    // JUSTIFICATION: slices are not in std.
    let got = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut told, size, 0) };
    if got < 0 { Err(io::Error::last_os_error()) } else { Ok(told) }
}

fn empty_set() -> libc::cpu_set_t {
    // SAFETY: cpu_set_t is an array of integers; all bits zero is the empty set.
    // JUSTIFICATION: libc offers no constructor.
    unsafe { std::mem::zeroed() }
}

#[cfg(test)]
mod tests {
    use super::{
        CPUS_MAX, add_nice, allowed_cpus, attributes, nice_level, pin_current_thread, set_slice,
    };

    #[test]
    fn a_thread_has_a_slice_of_its_own_and_its_level_still() {
        let told = std::thread::spawn(|| {
            add_nice(3).unwrap();
            set_slice(200_000).unwrap();
            let told = attributes().unwrap();
            (told.sched_runtime, told.sched_nice, told.sched_policy)
        });
        let (slice_ns, nice, policy) = told.join().unwrap();
        assert_eq!(nice, (nice_level().unwrap() + 3).min(19));
        assert_eq!(policy, libc::SCHED_OTHER as u32);
        if slice_ns == 0 {
            println!("SKIPPED: this kernel has no slices of threads (Linux 6.12)");
            return;
        }
        assert_eq!(slice_ns, 200_000);
    }

    #[test]
    fn a_thread_lets_others_go_first() {
        let levels = || {
            let before = nice_level().unwrap();
            add_nice(3).unwrap();
            let begun = std::thread::spawn(nice_level).join().unwrap().unwrap();
            (before, nice_level().unwrap(), begun)
        };
        let (before, after, begun) = std::thread::spawn(levels).join().unwrap();
        let expect = (before + 3).min(19);
        assert_eq!((after, begun, nice_level().unwrap()), (expect, expect, before));
    }

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
