//! What was found: places with their order.

use crate::draw::by_weight;
use std::net::SocketAddr;
use strowger_link::Transport;

/// Addresses that one record names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// Smaller first: the place of its transport in what the domain prefers.
    pub rank: u8,
    /// Transport.
    pub transport: Transport,
    /// Smaller first among those of one rank.
    pub priority: u16,
    /// Share among equals.
    pub weight: u16,
    /// Tried in order.
    pub addresses: Vec<SocketAddr>,
}

/// Where requests to a host go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Located {
    places: Vec<Place>,
    is_service: bool,
    ttl_s: u32,
}

impl Located {
    pub(crate) fn at(transport: Transport, addresses: Vec<SocketAddr>, ttl_s: u32) -> Located {
        let place = Place { rank: 0, transport, priority: 0, weight: 0, addresses };
        let places = if place.addresses.is_empty() { Vec::new() } else { vec![place] };
        Located { places, is_service: false, ttl_s }
    }

    pub(crate) fn by_service(mut places: Vec<Place>, ttl_s: u32) -> Located {
        // Stable: the order of the name server among equals.
        places.sort_by_key(|place| (place.rank, place.priority));
        Located { places, is_service: true, ttl_s }
    }

    /// All places, better ones first.
    #[must_use]
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// SRV records named the places; else they are the addresses of the host.
    #[must_use]
    pub const fn is_service(&self) -> bool {
        self.is_service
    }

    /// How long this is good, seconds.
    #[must_use]
    pub const fn ttl_s(&self) -> u32 {
        self.ttl_s
    }

    /// The addresses to try, one after the other: each is tried when the one before it cannot be
    /// reached, does not answer, or says 503 (RFC 3263 4.3). `chance` is any number; each number
    /// gives one order, all numbers together keep the weights.
    #[must_use]
    pub fn draw(&self, chance: u64) -> Vec<(Transport, SocketAddr)> {
        draw(&self.places, chance)
    }
}

/// As [`Located::draw`], for places in the order of [`Located::places`].
#[must_use]
pub fn draw(places: &[Place], chance: u64) -> Vec<(Transport, SocketAddr)> {
    let groups = places.chunk_by(|a, b| (a.rank, a.priority) == (b.rank, b.priority));
    groups
        .flat_map(|equals| by_weight(equals, chance))
        .flat_map(|place| place.addresses.iter().map(|address| (place.transport, *address)))
        .collect()
}
