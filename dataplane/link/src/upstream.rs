//! Our registrations at carriers: what the control plane orders, and how each stands.
//!
//! The control plane sends [`UpstreamOrder::Put`] for each login after its greeting and at each
//! change, and [`UpstreamOrder::Keep`] after those of a greeting. A login that is put as it was
//! goes on undisturbed. While the control plane is away the dataplane keeps registering with what
//! it has; after a crash of the dataplane everything is put again.

use crate::codec::{LIST_MAX, wire_code, wire_enum, wire_struct};
use crate::{Secret, Tick, Transport};
use std::net::SocketAddr;

/// Most logins at once: as many as one [`UpstreamOrder::Keep`] can name.
pub const UPSTREAMS_MAX: usize = LIST_MAX;
/// Most addresses of one registrar that are tried.
pub const UPSTREAM_ADDRESSES_MAX: usize = 16;

wire_enum! {
    /// What to do with a registration.
    pub enum UpstreamOrder {
        /// Register so, from now on.
        0 => Put(Upstream),
        /// Unregister and forget.
        1 => Remove(i64),
        /// Unregister and forget all but these.
        2 => Keep(Vec<i64>),
    }
}

wire_struct! {
    /// A login at a registrar.
    pub struct Upstream {
        /// Which one.
        pub id: i64,
        /// Addresses of the registrar in the order to try, at most [`UPSTREAM_ADDRESSES_MAX`];
        /// empty while its name has none.
        pub addresses: Vec<SocketAddr>,
        /// Transport.
        pub transport: Transport,
        /// Listener it leaves by; its advertised address stands in the Contact.
        pub listener: u8,
        /// Request-URI.
        pub registrar: String,
        /// Address of record, a URI: To and From.
        pub aor: String,
        /// User part of the Contact, unescaped.
        pub contact_user: String,
        /// What challenges are answered with.
        pub secret: Option<Secret>,
        /// Wanted lifetime, seconds.
        pub expires_s: u32,
    }
}

wire_struct! {
    /// How a registration stands.
    #[derive(Copy)]
    pub struct UpstreamState {
        /// Which one.
        pub id: i64,
        /// State.
        pub phase: UpstreamPhase,
        /// What went wrong last; `None` when nothing did since it was fine.
        pub cause: UpstreamCause,
        /// The registrar's last final status, 0 when the last attempt had none.
        pub status: u16,
        /// When it came into this phase.
        pub since: Tick,
        /// `Registered`: when the registrar forgets us. `Failed`, `Refused`: the next attempt.
        pub until: Tick,
    }
}

wire_code! {
    /// States of a registration.
    pub enum UpstreamPhase {
        /// Not tried yet, or the first answer has not come.
        Trying = 0,
        /// The registrar sends our calls here. A refresh may have failed: then a cause stands by.
        Registered = 1,
        /// No registration; tried again soon.
        Failed = 2,
        /// The registrar will not have us as we are; tried again at long intervals.
        Refused = 3,
        /// Unregistered by order.
        Left = 4,
    }
}

wire_code! {
    /// What went wrong with a registration.
    pub enum UpstreamCause {
        /// Nothing.
        None = 0,
        /// The registrar's status says it.
        Status = 1,
        /// No answer came.
        Silent = 2,
        /// It cannot be reached.
        Unreachable = 3,
        /// Our answer to its challenge was not accepted.
        WrongPassword = 4,
        /// It wants a password, and there is none.
        NoPassword = 5,
        /// It challenges for another realm, or by what we do not speak.
        ForeignChallenge = 6,
        /// It said yes, but our contact is not among its bindings.
        NotBound = 7,
        /// Its name has no address.
        NoAddress = 8,
        /// No request can be written from what the login says.
        Unwritable = 9,
        /// No room for another transaction.
        Full = 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Down;

    #[test]
    fn a_password_is_never_shown() {
        let secret = Secret { username: "u".into(), password: "hunter2".into(), realm: "r".into() };
        let put = UpstreamOrder::Put(Upstream {
            id: 1,
            addresses: vec![],
            transport: Transport::Udp,
            listener: 0,
            registrar: "sip:h".into(),
            aor: "sip:u@h".into(),
            contact_user: "c".into(),
            secret: Some(secret),
            expires_s: 600,
        });
        let shown = format!("{:?} {:#?}", put, Down::Upstream(Box::new(put.clone())));
        assert!(!shown.contains("hunter2") && shown.contains("contact_user"), "{shown}");
    }
}
