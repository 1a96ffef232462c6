//! Why something ended, in the words of both worlds.

use crate::codec::{wire_code, wire_struct};

wire_struct! {
    /// A cause: Q.850 value, and the SIP status that carried it (0 = none).
    #[derive(Copy, Hash, Default)]
    pub struct Cause {
        /// SIP status code, or 0.
        pub sip: u16,
        /// Q.850 cause value, 1 to 127, or 0 when unknown.
        pub q850: u8,
    }
}

wire_code! {
    /// Who ended a leg or a call (source: `Discparty`, spec 13.1).
    pub enum Party {
        /// Nobody yet, or not known (crash).
        Unknown = 0,
        /// The called side.
        Called = 1,
        /// The calling side.
        Caller = 2,
        /// This switch.
        Switch = 3,
    }
}

wire_code! {
    /// Our own reason, finer than SIP and Q.850; stands in the record and in REST by name.
    pub enum Reason {
        /// Normal: answered and cleared by a party.
        Normal = 0,
        /// The caller gave up before answer.
        Cancelled = 1,
        /// The called party is busy.
        Busy = 2,
        /// Nobody answered in the ring time.
        NoAnswer = 3,
        /// The called party rejected.
        Rejected = 4,
        /// The called number is not assigned here.
        UnknownNumber = 5,
        /// The subscriber exists and has no contact.
        Offline = 6,
        /// Authentication failed.
        AuthFailed = 7,
        /// The caller may not call.
        Denied = 8,
        /// No route for the number.
        NoRoute = 9,
        /// No price for the number.
        NoPrice = 10,
        /// Not enough credit to start.
        NoCredit = 11,
        /// Credit ended during the call.
        CreditEnded = 12,
        /// A limit of concurrent calls or calls per second.
        Limit = 13,
        /// The longest allowed duration was reached.
        MaxDuration = 14,
        /// No media came.
        NoMedia = 15,
        /// A peer did not answer at all.
        PeerSilent = 16,
        /// A peer answered with an error.
        PeerError = 17,
        /// The control plane did not answer in time.
        NoAnswerFromControl = 18,
        /// This switch is over its load.
        Overload = 19,
        /// Ended by an operator.
        Operator = 20,
        /// A crash of this process; closed at its last heartbeat.
        ProcessLost = 21,
        /// A power cut; closed at the last mark.
        HostLost = 22,
        /// The request was malformed or unacceptable.
        BadRequest = 23,
        /// Offer and answer could not be reconciled.
        BadMedia = 24,
        /// All targets failed.
        Exhausted = 25,
        /// A fault of ours; counted, dumped, alarmed.
        Internal = 26,
        /// The party said that the call is to go elsewhere.
        Redirected = 27,
        /// The called party's answer was false: it rang on behind it, or nothing came.
        FalseAnswer = 28,
        /// The certificate of a party's media is not the one that its description names.
        Impostor = 29,
    }
}

impl Cause {
    /// A cause from both values.
    #[must_use]
    pub const fn new(sip: u16, q850: u8) -> Cause {
        Cause { sip, q850 }
    }

    /// The cause that a SIP failure status means (RFC 3398 8.2.6.1).
    ///
    /// The table is silent about 487, 488 and 606: those are normal clearing and "not available as
    /// described". Statuses that are younger than it mean what their neighbours mean, 3xx is a
    /// redirection that nobody follows.
    #[must_use]
    pub const fn from_sip(sip: u16) -> Cause {
        let q850 = match sip {
            200..=299 | 487 => 16,
            300..=399 => 23,
            400 | 481 | 500 | 503 => 41,
            401..=403 | 407 | 603 | 607 | 608 => 21,
            404 | 485 | 604 => 1,
            405 => 63,
            406 | 415 | 501 => 79,
            408 | 504 => 102,
            410 => 22,
            413 | 414 | 416 | 420 | 421 | 423 | 489 | 493..=499 | 505 | 513 => 127,
            480 => 18,
            482 | 483 => 25,
            484 => 28,
            486 | 600 => 17,
            488 | 606 => 65,
            502 => 38,
            0..=199 | 409..=699 | 700..=u16::MAX => 31,
        };
        Cause { sip, q850 }
    }

    /// The SIP status that a Q.850 value means (RFC 3398 7.2.4.1); 480 where the table is silent.
    #[must_use]
    pub const fn sip_from_q850(q850: u8) -> u16 {
        match q850 {
            1..=3 => 404,
            17 => 486,
            18 => 408,
            19 | 20 | 31 => 480,
            21 => 403,
            22 | 23 => 410,
            26 => 404,
            27 => 502,
            28 => 484,
            29 | 79 => 501,
            34 | 38 | 41 | 42 | 47 | 58 | 88 => 503,
            55 | 57 | 87 => 403,
            65 | 70 => 488,
            102 => 504,
            111 => 500,
            127 => 500,
            0 | 4..=16 | 24 | 25 | 30 | 32..=255 => 480,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3398 8.2.6.1, row by row.
    const FROM_SIP: &[(u16, u8)] = &[
        (400, 41),
        (401, 21),
        (402, 21),
        (403, 21),
        (404, 1),
        (405, 63),
        (406, 79),
        (407, 21),
        (408, 102),
        (410, 22),
        (413, 127),
        (414, 127),
        (415, 79),
        (416, 127),
        (420, 127),
        (421, 127),
        (423, 127),
        (480, 18),
        (481, 41),
        (482, 25),
        (483, 25),
        (484, 28),
        (485, 1),
        (486, 17),
        (500, 41),
        (501, 79),
        (502, 38),
        (503, 41),
        (504, 102),
        (505, 127),
        (513, 127),
        (600, 17),
        (603, 21),
        (604, 1),
    ];

    /// RFC 3398 7.2.4.1, row by row.
    const FROM_Q850: &[(u8, u16)] = &[
        (1, 404),
        (2, 404),
        (3, 404),
        (17, 486),
        (18, 408),
        (19, 480),
        (20, 480),
        (21, 403),
        (22, 410),
        (23, 410),
        (26, 404),
        (27, 502),
        (28, 484),
        (29, 501),
        (31, 480),
        (34, 503),
        (38, 503),
        (41, 503),
        (42, 503),
        (47, 503),
        (55, 403),
        (57, 403),
        (58, 503),
        (65, 488),
        (70, 488),
        (79, 501),
        (87, 403),
        (88, 503),
        (102, 504),
        (111, 500),
        (127, 500),
    ];

    #[test]
    fn both_tables_of_rfc_3398() {
        for (sip, q850) in FROM_SIP {
            assert_eq!(Cause::from_sip(*sip), Cause::new(*sip, *q850));
        }
        for (q850, sip) in FROM_Q850 {
            assert_eq!(Cause::sip_from_q850(*q850), *sip, "{q850}");
        }
        // Whatever comes, there is an answer that is a failure.
        for q850 in 0..=u8::MAX {
            assert!((400..700).contains(&Cause::sip_from_q850(q850)), "{q850}");
        }
    }
}
