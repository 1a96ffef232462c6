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
    /// The best of these that can be had: `tc` where interfaces are named, else `lookup` where no
    /// other program chooses sockets, else `sockets`.
    Auto,
}
