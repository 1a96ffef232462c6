//! The operating system as the dataplane sees it, and its only unsafe code.
//!
//! Sockets, shared memory, clocks, chance, signals, the journal's disk. Nothing here knows what a
//! call is: it moves bytes, and tells time. What the bytes mean is `strowger_link`'s and the cores'
//! business. It never blocks a shard except in [`net::Io::wait`], never logs, and allocates nothing
//! per packet or frame. Each unsafe block has two notes: SAFETY, why it is sound, and
//! JUSTIFICATION, why it is needed.
//!
//! Where to start: [`net`], the three traits a shard is generic over, and the order of a turn. Then
//!
//! | module | what |
//! |---|---|
//! | [`mmsg`] | [`net::Io`] by epoll, recvmmsg and sendmmsg: no privileges needed |
//! | [`bpf`], [`flows`], [`offload`] | the kernel's programs, and what they read with us |
//! | [`netlink`] | interfaces and routes |
//! | [`journal_file`] | [`net::JournalSink`]: group commit in a thread; the reader |
//! | [`uplink`] | [`net::PlaneLink`]: sessions with the control plane; its other end |
//! | [`mesh`] | messages between the shards of one process |
//! | [`shm`], [`eventfd`] | words and bells that processes share |
//! | [`watch`] | many descriptors at a time, off the shard |
//! | [`clock`], [`rng`] | time and chance, which cores get as arguments |
//! | [`pin`], [`signals`], [`process`] | threads and processes |
//! | [`keep`] | one process of a kind on a directory, and how a new supervisor finds it |
//!
//! 64-bit Linux, 5.11 or later.

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
compile_error!("strowger-port is written for 64-bit Linux");

pub mod bpf;
mod burst;
pub mod clock;
pub mod eventfd;
pub mod flows;
pub mod journal_file;
pub mod keep;
pub mod mesh;
pub mod mmsg;
pub mod net;
pub mod netlink;
pub mod offload;
pub mod pin;
pub mod process;
pub mod rng;
mod seqpacket;
pub mod shm;
pub mod signals;
mod sys;
#[cfg(test)]
mod testing;
pub mod uplink;
pub mod watch;
