//! Media and signalling by io_uring, where that is configured and can be had.

use std::io;

use strowger_port::mmsg::Mmsg;

/// What the log says before the reason.
const WITHOUT: &str = "media.backend: recvmmsg and sendmmsg, as ";

/// Has all shards' sockets go by io_uring; `tell` hears one line of how it went. What cannot be had
/// is done without: calls do not see the difference.
pub(crate) fn use_ring(ios: &mut [Mmsg], mut tell: impl FnMut(&str)) {
    match ios.iter_mut().try_for_each(Mmsg::use_ring) {
        Ok(()) => tell("media: the sockets of media and signalling go by io_uring"),
        Err(error) => tell(&format!("{WITHOUT}{}", refusal(&error))),
    }
}

fn refusal(error: &io::Error) -> String {
    // The system's numbers, which are the same on all of its processors.
    match error.raw_os_error() {
        Some(1) => format!(
            "io_uring is forbidden here: by kernel.io_uring_disabled, or by a filter of system \
             calls, as containers have ({error})"
        ),
        Some(12) => format!("io_uring gets no memory: RLIMIT_MEMLOCK is too low ({error})"),
        Some(22) => format!("this kernel's io_uring is too old, Linux 6.1 is wanted ({error})"),
        Some(38) => format!("this kernel has no io_uring ({error})"),
        Some(_) | None => format!("io_uring fails: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::refusal;
    use std::io::Error;

    #[test]
    fn each_reason_has_its_words() {
        for (number, says) in [
            (1, "kernel.io_uring_disabled"),
            (12, "RLIMIT_MEMLOCK"),
            (22, "Linux 6.1"),
            (38, "no io_uring"),
            (24, "io_uring fails: "),
        ] {
            let error = Error::from_raw_os_error(number);
            let told = refusal(&error);
            assert!(told.contains(says) && told.contains(&error.to_string()), "{told}");
        }
    }
}
