//! The way that media's packets take into the process: which sockets there are, and who chooses.
//!
//! `media.backend` says it. With `sockets` and `uring` each media port has a socket of its own and
//! this crate does nothing. With `lookup` a program of the kernel (`bpf/steer.bpf.c`) hands the
//! packets of all open ports to one socket of each shard and family, and raw sockets send from any
//! port. With `tc` another one (`bpf/relay.bpf.c`), at the interfaces of `media.interfaces`, relays
//! the flows that a shard gives away, and leaves everything else to the sockets. With `xdp` it runs
//! in the drivers of these interfaces (`bpf/xdp.bpf.c`), where they can: else behind them.
//!
//! *What lives how long.* [`Steering`] is descriptors: the programs' links to this network's
//! namespace and to interfaces, the arrays of ports and flows, the sockets. The supervisor opens
//! them and hands them on, as it does with the sockets of SIP, so they outlive a kill of the
//! dataplane: packets wait in the sockets until its next life has adopted the calls. When the last
//! process that holds them ends, the link is gone and ports are as before. After the start nobody
//! needs a right.
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
mod relaying;
mod steering;

use std::os::fd::OwnedFd;
use std::path::Path;

use strowger_tuning::{Backend, Config};

pub use object::{Object, ObjectError};
pub use program::{OBJECT, PROGRAM, RELAY_OBJECT, RELAY_PROGRAM, XDP_OBJECT, XDP_PROGRAM};
pub use relaying::Wanted;
pub use steering::{Refusal, Steering};

/// Opens what the configuration wants, or takes what was handed on; `None` = a socket for each
/// port. What was handed on and is not taken ends, whoever holds it: its program would keep the
/// packets from our sockets. `tell` hears one line when it is not what was wanted.
///
/// # Errors
/// One line for a person: `lookup` or `tc` is wanted and cannot be had; or `xdp`, and not `tc` in
/// its place either.
pub fn choose(
    config: &Config,
    handed: Vec<OwnedFd>,
    mut tell: impl FnMut(&str),
) -> Result<Option<Steering>, String> {
    let wanted = config.media.backend;
    if !handed.is_empty() {
        let copies: Result<Vec<OwnedFd>, _> = handed.iter().map(OwnedFd::try_clone).collect();
        if wanted.wants_program() {
            match Steering::take(config, handed) {
                Ok(steering) => return Ok(Some(steering)),
                Err(refusal) => tell(&format!("media.backend: what was handed on: {refusal}")),
            }
        }
        // Without descriptors left nothing could be opened behind it either.
        copies.into_iter().flatten().for_each(|link| steering::end(&link));
    }
    match wanted {
        Backend::Sockets | Backend::Uring => Ok(None),
        Backend::Lookup => open(config, wanted, None).map(Some),
        Backend::Tc => open(config, wanted, Some(Wanted::Tc)).map(Some),
        Backend::Xdp => open_xdp(config, &mut tell).map(Some),
        Backend::Auto => Ok(best(config, &mut tell)),
    }
}

fn open(config: &Config, wanted: Backend, relays: Option<Wanted>) -> Result<Steering, String> {
    let opened = may_begin(config, wanted).and_then(|()| Steering::open(config, relays));
    opened.map_err(|refusal| format!("media.backend: {refusal}"))
}

/// In the drivers, or behind them.
fn open_xdp(config: &Config, tell: &mut impl FnMut(&str)) -> Result<Steering, String> {
    let whole = |refusal| format!("media.backend: {refusal}");
    may_begin(config, Backend::Xdp).map_err(whole)?;
    let generic = config.media.xdp_generic.then_some(Wanted::XdpGeneric);
    for wanted in [Some(Wanted::Xdp), generic].into_iter().flatten() {
        match Steering::open(config, Some(wanted)) {
            Ok(steering) => return Ok(steering),
            Err(refusal) => tell(&instead(wanted, &refusal)),
        }
    }
    Steering::open(config, Some(Wanted::Tc)).map_err(whole)
}

/// What is told of a program that does not relay.
fn instead(wanted: Wanted, refusal: &Refusal) -> String {
    let who = match wanted {
        Wanted::Tc => "the kernel relays nothing",
        Wanted::Xdp | Wanted::XdpAtCards => "no driver relays (XDP)",
        Wanted::XdpGeneric => "nothing relays right behind the drivers (XDP)",
    };
    format!("media.backend: {who}, as {refusal}")
}

/// The best way that can be had.
fn best(config: &Config, tell: &mut impl FnMut(&str)) -> Option<Steering> {
    let begun = may_begin(config, Backend::Auto);
    let is_named = !config.media.interfaces.is_empty();
    if begun.is_ok() && is_named {
        for wanted in [Wanted::XdpAtCards, Wanted::Tc] {
            match Steering::open(config, Some(wanted)) {
                Ok(steering) => return Some(steering),
                Err(refusal) => tell(&instead(wanted, &refusal)),
            }
        }
    }
    match begun.and_then(|()| Steering::open(config, None)) {
        Ok(steering) => Some(steering),
        Err(refusal) => {
            tell(&format!("media.backend: a socket for each port, as {refusal}"));
            None
        }
    }
}

/// The first trap. Who says `lookup`, `tc` or `xdp` knows what else runs here; `auto` leaves a host
/// alone on which another such program runs.
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
