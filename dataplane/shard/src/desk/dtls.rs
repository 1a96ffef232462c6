//! Keys by DTLS on one media line (RFC 5763): what the party says of itself, what we say, and who
//! begins.
//!
//! A party without rtcp-mux has two associations, one at each port (RFC 5764 section 4.2), each
//! with keys of its own.
//!
//! An association lives as long as the party's certificate and our role stay; a description that
//! says the same again changes nothing (RFC 8842 section 4). Our credentials of ICE stay until the
//! party offers others of its own: that is its restart, and ours with it (RFC 8839 section 4.4.1).

use core::fmt::Write;
use core::net::SocketAddr;
use strowger_dtls::{Fingerprint, Identity};
use strowger_ice::limits::CHANCE_LEN;
use strowger_ice::{Agent, Credentials};
use strowger_link::Tick;
use strowger_media::{Keys, Secured};
use strowger_sdp::{DtlsForm, Media, Setup, Terms, Transport};
use strowger_srtp::{KeyMaker, Suite};

/// Fingerprints of a media line that are looked at.
const FINGERPRINTS_MAX: usize = 8;

/// What a party says of itself on a media line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Shown {
    /// Of its certificate.
    pub(super) fingerprint: Fingerprint,
    setup: Setup,
    /// Its ufrag, where it has ICE.
    ufrag: Option<Box<[u8]>>,
    has_mux: bool,
    has_feedback: bool,
}

impl Shown {
    /// `None` where it cannot be read: no fingerprint of a function that proves anything, or half
    /// of what ICE needs.
    pub(super) fn of(media: &Media<'_, '_>) -> Option<Shown> {
        let mut prints = media.stated("fingerprint").take(FINGERPRINTS_MAX);
        let fingerprint = prints.find_map(Fingerprint::parse)?;
        let setup = match media.stated("setup").next() {
            Some(setup) => Setup::parse(setup)?,
            // RFC 4145 section 4: who offers without a role is active.
            None => Setup::Active,
        };
        let ufrag = match (media.stated("ice-ufrag").next(), media.stated("ice-pwd").next()) {
            (None, None) => None,
            (Some(ufrag), Some(pwd)) if Credentials::fit(ufrag, pwd) => Some(ufrag.into()),
            (_, _) => return None,
        };
        let has_feedback = matches!(media.protocol(), [.., b'F' | b'f']);
        Some(Shown { fingerprint, setup, ufrag, has_mux: media.rtcp_mux(), has_feedback })
    }
}

/// Keys by DTLS on one media line of a leg.
#[derive(Debug)]
pub(super) struct Line {
    /// Ours, of ICE.
    pub(super) credentials: Credentials,
    /// What the party said last; `None` = it has not spoken DTLS, or no more.
    pub(super) shown: Option<Shown>,
    /// Whether we begin.
    pub(super) is_active: bool,
    /// What was agreed on.
    pub(super) keys: Option<Keys>,
    /// The same of RTCP, where it has a port of its own.
    pub(super) rtcp_keys: Option<Keys>,
    /// Where a former life knew the party.
    pub(super) chosen: Option<SocketAddr>,
    /// The party has offered other credentials of ICE: ours are to be others too.
    is_restarted: bool,
}

impl Line {
    pub(super) fn new(maker: &mut KeyMaker) -> Option<Line> {
        Some(Line::with(credentials(maker)?))
    }

    pub(super) const fn with(credentials: Credentials) -> Line {
        Line {
            credentials,
            shown: None,
            is_active: false,
            keys: None,
            rtcp_keys: None,
            chosen: None,
            is_restarted: false,
        }
    }

    /// What the party says counts from now on.
    pub(super) fn hear(&mut self, shown: Shown) {
        if let Some(before) = &self.shown {
            self.is_restarted |= before.ufrag.is_some() && before.ufrag != shown.ufrag;
        }
        self.is_active = match shown.setup {
            Setup::Active => false,
            Setup::Passive => true,
            // The role of before (RFC 8842 section 5.3), else the one that needs nothing of us.
            Setup::ActPass | Setup::HoldConn => self.is_active,
        };
        self.shown = Some(shown);
    }

    /// The lines of our offer, and how it is spoken.
    pub(super) fn offer(&self, identity: &Identity) -> (Vec<u8>, DtlsForm) {
        let shown = self.shown.as_ref();
        let has_ice = shown.is_none_or(|shown| shown.ufrag.is_some());
        let has_feedback = shown.is_none_or(|shown| shown.has_feedback);
        let form = DtlsForm { has_ice, has_mux: true, has_feedback };
        (self.lines(identity, "actpass", has_ice), form)
    }

    /// The lines of our answer to what the party says; nothing when it says nothing of DTLS.
    pub(super) fn answer(
        &mut self,
        identity: &Identity,
        maker: &mut KeyMaker,
    ) -> Option<(Vec<u8>, DtlsForm)> {
        if core::mem::take(&mut self.is_restarted) {
            self.credentials = credentials(maker)?;
        }
        let Shown { ufrag, has_mux, has_feedback, .. } = self.shown.as_ref()?;
        let (has_ice, has_mux, has_feedback) = (ufrag.is_some(), *has_mux, *has_feedback);
        let setup = if self.is_active { "active" } else { "passive" };
        let form = DtlsForm { has_ice, has_mux, has_feedback };
        Some((self.lines(identity, setup, has_ice), form))
    }

    fn lines(&self, identity: &Identity, setup: &str, has_ice: bool) -> Vec<u8> {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = write!(text, "a=fingerprint:{}\r\na=setup:{setup}\r\n", identity.fingerprint());
        let mut lines = text.into_bytes();
        if has_ice {
            for (name, value) in [
                (&b"a=ice-ufrag:"[..], self.credentials.ufrag()),
                (b"a=ice-pwd:", self.credentials.pwd()),
            ] {
                lines.extend_from_slice(name);
                lines.extend_from_slice(value);
                lines.extend_from_slice(b"\r\n");
            }
        }
        lines
    }

    /// Whether RTCP goes by the port of RTP, and by its keys (RFC 5764 section 4.1.1). Else it has
    /// an association of its own.
    pub(super) fn shares_port(&self) -> bool {
        self.shown.as_ref().is_none_or(|shown| shown.has_mux)
    }

    /// The keys of RTCP.
    pub(super) const fn keys_of_rtcp(&self, shares_port: bool) -> Option<&Keys> {
        if shares_port { self.keys.as_ref() } else { self.rtcp_keys.as_ref() }
    }

    /// What may come to its ports.
    pub(super) fn secured(&self, now: Tick) -> Option<Secured> {
        let Shown { ufrag, has_mux, .. } = self.shown.as_ref()?;
        let agent = ufrag.as_deref().and_then(|ufrag| {
            let agent = Agent::new(self.credentials.clone(), ufrag, now)?;
            Some(agent.at(self.chosen))
        });
        Some(Secured { agent, is_shared: *has_mux })
    }
}

/// Credentials of ICE that nobody has had.
fn credentials(maker: &mut KeyMaker) -> Option<Credentials> {
    let master = maker.make(Suite::AesCm128Sha80)?;
    let chance: &[u8; CHANCE_LEN] = master.octets().first_chunk()?;
    Some(Credentials::from_chance(chance))
}

/// Whether a media line is one that browsers speak.
pub(super) fn is_browsers(terms: Terms) -> bool {
    terms.transport == Transport::DtlsSrtp
}

/// A description without what browsers say at length and nobody needs again: where they are is
/// found out by ICE, and their sources by what they send.
pub(super) fn lean(body: &[u8], out: &mut Vec<u8>) {
    const LONG: [&[u8]; 3] = [b"a=candidate:", b"a=ssrc:", b"a=ssrc-group:"];
    for line in body.split_inclusive(|octet| *octet == b'\n') {
        if !LONG.iter().any(|name| line.starts_with(name)) {
            out.extend_from_slice(line);
        }
    }
}
