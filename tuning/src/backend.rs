//! What media's packets come in and go out by.

use serde::Deserialize;

/// Which sockets carry media. Calls do not see the difference.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// A socket for each media port: needs no rights.
    #[default]
    Sockets,
    /// One socket of each shard and family, which a program of the kernel chooses (sk_lookup), and
    /// raw sockets to send by. Needs `CAP_BPF`, `CAP_NET_ADMIN` and `CAP_NET_RAW` at the start;
    /// what is missing is an error.
    Lookup,
    /// `lookup`, and flows of RTP that have come to rest are relayed by a program of the kernel at
    /// the interfaces of `media.interfaces` (tcx). Needs Linux 6.6 beside the same rights.
    Tc,
    /// The same by a program in the drivers of these interfaces (XDP), where all of them can: else
    /// `tc`, which is told. Needs Linux 6.3 beside the same rights.
    Xdp,
    /// The sockets of `sockets`, and those of signalling, by io_uring: no rights, but Linux 6.1 and
    /// nobody who forbids it; else `sockets`, which is told.
    Uring,
    /// The best of `xdp` and `tc`, where interfaces are named, `lookup`, where no other program
    /// chooses sockets, and `sockets` that can be had.
    Auto,
}

impl Backend {
    /// A program of the kernel is to choose sockets, if it can be had.
    #[must_use]
    pub const fn wants_program(self) -> bool {
        matches!(self, Backend::Lookup | Backend::Tc | Backend::Xdp | Backend::Auto)
    }
}
