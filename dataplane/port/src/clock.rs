//! The two clocks: [`monotonic`] for everything, [`wall_us`] for records and headers.

use strowger_link::Tick;

/// Nanoseconds of CLOCK_MONOTONIC: the same for all processes of one boot.
#[must_use]
pub fn monotonic() -> Tick {
    Tick(read_ns(libc::CLOCK_MONOTONIC).cast_unsigned())
}

/// Microseconds since 1970-01-01 UTC, by CLOCK_REALTIME. It may jump.
#[must_use]
pub fn wall_us() -> i64 {
    wall_ns() / 1_000
}

/// Nanoseconds since 1970-01-01 UTC, the clock of the kernel's receive time stamps.
pub(crate) fn wall_ns() -> i64 {
    read_ns(libc::CLOCK_REALTIME)
}

fn read_ns(clock: libc::clockid_t) -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a timespec we own. Both clocks exist on every Linux, so the call cannot
    // fail; if it did, `time` would stay 0.
    // JUSTIFICATION: std's Instant does not tell its nanoseconds.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::{monotonic, wall_us};

    #[test]
    fn monotonic_rises_and_wall_is_now() {
        let (first, second) = (monotonic(), monotonic());
        assert!(first.0 > 0 && second >= first);
        // 2024-01-01 and 2100-01-01.
        assert!((1_704_067_200_000_000..4_102_444_800_000_000).contains(&wall_us()));
    }
}
