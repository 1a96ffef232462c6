//! The way that media's packets take into the process: which sockets there are, and who chooses.
//!
//! `media.backend` says it. With `sockets` and `uring` each media port has a socket of its own and
//! this crate does nothing. With `lookup` a program of the kernel (`bpf/steer.bpf.c`) hands the
//! packets of all open ports to one socket of each shard and family, and raw sockets send from any
//! port.
//!
//! *What lives how long.* [`Steering`] is descriptors: the program's link to this network's
//! namespace, the array of ports, the sockets. The supervisor opens them and hands them on, as it
//! does with the sockets of SIP, so they outlive a kill of the dataplane: packets wait in the
//! sockets until its next life has adopted the calls. When the last process that holds them ends,
//! the link is gone and ports are as before. After the start nobody needs a right.
//!
//! *Four traps, and what is done about each.*
//! 1. A program of this kind takes packets from sockets that others have bound in the range, and
//!    ports of the range that the kernel gives to whoever asks for any would lose their answers.
//!    The range must be kept from that (`net.ipv4.ip_local_reserved_ports`), and nobody may be
//!    there: [`Refusal`].
//! 2. A port that is refused is answered by ICMP, and so is one without socket. Ports that no call
//!    has go to a blackhole: a socket that drops what it gets.
//! 3. Order: sockets and maps stand before the program does. It begins with all ports closed.
//! 4. A socket is of one family: each shard has one of each that has a media address.
//!
//! *What it never does:* touch a packet. *Where to start:* [`choose`].

mod object;
mod occupied;
mod program;
mod steering;

use std::os::fd::OwnedFd;
use std::path::Path;

use strowger_tuning::{Backend, Config};

pub use object::{Object, ObjectError};
pub use program::{OBJECT, PROGRAM};
pub use steering::{Refusal, Steering};

/// Opens what the configuration wants, or takes what was handed on; `None` = a socket for each
/// port. What was handed on and is not taken ends, whoever holds it: its program would keep the
/// packets from our sockets. `tell` hears one line when it is not what was wanted.
///
/// # Errors
/// One line for a person: `lookup` is wanted and cannot be had.
pub fn choose(
    config: &Config,
    handed: Vec<OwnedFd>,
    mut tell: impl FnMut(&str),
) -> Result<Option<Steering>, String> {
    let wanted = config.media.backend;
    let link = steering::link_of(&handed);
    if link.is_some() && wanted.wants_program() {
        match Steering::take(config, handed) {
            Ok(steering) => return Ok(Some(steering)),
            Err(refusal) => tell(&format!("media.backend: what was handed on: {refusal}")),
        }
    }
    steering::end(link);
    if !wanted.wants_program() {
        return Ok(None);
    }
    let opened = may_begin(config, wanted).and_then(|()| Steering::open(config));
    match opened {
        Ok(steering) => Ok(Some(steering)),
        Err(refusal) if wanted == Backend::Lookup => Err(format!("media.backend: {refusal}")),
        Err(refusal) => {
            tell(&format!("media.backend: a socket for each port, as {refusal}"));
            Ok(None)
        }
    }
}

/// The first trap. Who says `lookup` knows what else runs here; `auto` leaves a host alone on which
/// another such program runs.
fn may_begin(config: &Config, wanted: Backend) -> Result<(), Refusal> {
    let media = &config.media;
    let range = (media.port_min, media.port_max);
    if strowger_tuning::host::is_given_to_others(Path::new("/"), range) != Some(false) {
        return Err(Refusal::Given(range));
    }
    if let Some(at) = occupied::first(&media.addresses, range) {
        return Err(Refusal::Occupied(at));
    }
    if wanted == Backend::Auto && steering::programs()? > 0 {
        return Err(Refusal::Another);
    }
    Ok(())
}
