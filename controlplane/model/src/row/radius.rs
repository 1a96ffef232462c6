//! Servers that are asked about calls, or told of them, by RADIUS (spec RAD-01).

use crate::{RadiusServerId, Sealed, TenantId};
use std::net::SocketAddr;

/// Most servers of one tenant, or of all, for one purpose.
pub const RADIUS_SERVERS_MAX: usize = 4;
/// Most attributes of a server beside those that all have.
pub const RADIUS_ATTRIBUTES_MAX: usize = 16;
/// Longest label of an attribute, characters.
pub const RADIUS_LABEL_MAX: usize = 32;

/// A server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RadiusServer {
    /// Identity.
    pub id: RadiusServerId,
    /// Whose calls it is for; `None` = of all tenants that have no server of their own.
    pub tenant: Option<TenantId>,
    /// What it is for.
    pub purpose: RadiusPurpose,
    /// Shown name.
    pub name: String,
    /// Where it is.
    pub address: SocketAddr,
    /// What it and we know, sealed under this host's key.
    pub secret: Sealed,
    /// Larger is asked first; equals in order of ids.
    pub priority: i32,
    /// How long it may take before it is asked again, milliseconds.
    pub again_ms: u32,
    /// How often it is asked before the next one is.
    pub tries: u8,
    /// How long it is passed by after that, seconds.
    pub dead_s: u32,
    /// Who we are to it.
    pub nas_identifier: String,
    /// What it is told and says beside what all are told and say.
    pub attributes: Vec<RadiusAttribute>,
    /// In use.
    pub enabled: bool,
}

/// What a server is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RadiusPurpose {
    /// It says whether a call may be made (RFC 2865).
    Access,
    /// It is told of calls (RFC 2866).
    Accounting,
}

/// An attribute that some servers know, as text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RadiusAttribute {
    /// Its vendor's number; 0 = none, it is a standard one.
    pub vendor: u32,
    /// Its type.
    pub number: u8,
    /// What stands before its value, with `=` between the two; empty = nothing does.
    pub label: String,
    /// What its value is.
    pub holds: RadiusValue,
}

/// What an attribute holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RadiusValue {
    /// SIP Call-ID of the caller's leg.
    CallId,
    /// The called number as it was received.
    Received,
    /// The user of From.
    From,
    /// Where the call came from.
    Source,
    /// The tenant's id.
    Tenant,
    /// The paying account's id.
    Account,
    /// The id of the caller's organization.
    Organization,
    /// The calling subscriber's id; nothing of a trunk's call.
    Subscriber,
    /// The id of the trunk that sent the call; nothing of a subscriber's.
    Trunk,
    /// Told at the end of a call: its Q.850 value.
    Cause,
    /// Told at the end of a call: what the account pays with tax, in its currency.
    Price,
    /// Told at the end of a call: that currency.
    Currency,
    /// Said by a server: the longest talk, seconds.
    TalkTime,
    /// Said by a server: the status of the refusal, 400 to 699.
    Status,
}
