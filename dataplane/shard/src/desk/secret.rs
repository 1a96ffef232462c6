//! SRTP whose keys stand in descriptions (SDES, RFC 4568) or are agreed on by DTLS (RFC 5763): what
//! each party may hear of keys, what it said, and which keys its ports have.
//!
//! Each side of a call is protected by itself. Its policy (`Srtp`) and what the other side speaks
//! say what it is told; where both are set to let it pass, keys go through as they stand, and we
//! know of none. A key of ours is made once for a leg's media line and a suite, and told again in
//! every later description, so that nothing but the party changes keys.
//!
//! | told to a party | RTP from it | SRTP from it |
//! |---|---|---|
//! | `Theirs` | passes | passes |
//! | `Plain` | as it is | not accepted |
//! | `Beside` | as it is | ends here |
//! | `Only` | not accepted | ends here |
//! | `Dtls` | not accepted | ends here, with keys by DTLS |
//!
//! An offer changes no key; the answer to it does, on both sides at once. A line that is rejected
//! or turns into fax keeps its keys for when it is audio again.

use super::dtls::{self, Shown};
use super::{Line, MediaDesk, NOT_ACCEPTABLE, grow};
use core::fmt;
use std::sync::Arc;
use strowger_call::Role;
use strowger_dtls::{Identity, Start};
use strowger_link::{Cause, LegId, MediaPolicy, Srtp, Tick};
use strowger_media::Keys;
use strowger_sdp::{Description, DtlsForm, Keyed, Media, Terms, Transport};
use strowger_srtp::{KeyMaker, Master, Suite};

/// Keys of a media line that are looked at; more are no offer but a flood.
const CRYPTO_MAX: usize = 16;
/// What we offer, the best known first (spec C-MED-08): more would not fit a datagram of SIP.
const OFFERED: [Suite; 3] = [Suite::AesCm128Sha80, Suite::Gcm128, Suite::AesCm256Sha80];

/// SRTP of the policy is refused, or its absence: bearer capability not authorized.
pub(super) const NOT_AS_SET: Cause = Cause::new(488, 57);

/// A key with its number in a description.
type Tagged = (u32, Master);

/// What a party was told last of keys on a media line.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) enum Told {
    /// What the other party says.
    #[default]
    Theirs,
    /// There are none.
    Plain,
    /// Ours, beside RTP in the clear.
    Beside,
    /// Ours, and nothing else.
    Only,
    /// They are agreed on with us, by DTLS.
    Dtls,
}

impl Told {
    pub(super) const fn code(self) -> u8 {
        match self {
            Told::Theirs => 0,
            Told::Plain => 1,
            Told::Beside => 2,
            Told::Only => 3,
            Told::Dtls => 4,
        }
    }

    pub(super) const fn from_code(code: u8) -> Option<Told> {
        match code {
            0 => Some(Told::Theirs),
            1 => Some(Told::Plain),
            2 => Some(Told::Beside),
            3 => Some(Told::Only),
            4 => Some(Told::Dtls),
            _ => None,
        }
    }
}

/// What a party says of keys on a media line.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Says {
    /// It is no RTP, or rejected.
    Other,
    /// RTP in the clear.
    Plain,
    /// RTP, and SRTP beside it.
    Beside(Tagged),
    /// SRTP.
    Only(Tagged),
    /// SRTP by a key, or a certificate, that we cannot read.
    Unknown,
    /// SRTP with keys by DTLS.
    Dtls(Box<Shown>),
}

impl Says {
    fn of(media: &Media<'_, '_>, terms: &Terms) -> Says {
        match terms.transport {
            _ if terms.is_rejected() => Says::Other,
            Transport::Udptl | Transport::Other => Says::Other,
            Transport::DtlsSrtp => match Shown::of(media) {
                Some(shown) => Says::Dtls(Box::new(shown)),
                None => Says::Unknown,
            },
            Transport::Srtp => key_of(media).map_or(Says::Unknown, Says::Only),
            Transport::Rtp if terms.has_keys => key_of(media).map_or(Says::Plain, Says::Beside),
            Transport::Rtp => Says::Plain,
        }
    }

    fn key(self) -> Option<Tagged> {
        match self {
            Says::Beside(key) | Says::Only(key) => Some(key),
            Says::Other | Says::Plain | Says::Unknown | Says::Dtls(_) => None,
        }
    }
}

/// The first key of a media line that we can use.
fn key_of(media: &Media<'_, '_>) -> Option<Tagged> {
    media.crypto().take(CRYPTO_MAX).find_map(|crypto| {
        let suite = Suite::from_name(crypto.suite)?;
        Some((crypto.tag, Master::from_base64(suite, crypto.key()?)?))
    })
}

/// What `far` is told of an offer of `own`'s.
fn tell(own: Srtp, far: Srtp, says: &Says) -> Result<Told, Cause> {
    let both_pass = own.passes() && far.passes();
    let is_through = own == Srtp::EndToEnd || far == Srtp::EndToEnd;
    match says {
        Says::Other => return Ok(Told::Theirs),
        Says::Plain if own.is_required() || far == Srtp::EndToEnd => return Err(NOT_AS_SET),
        Says::Plain => {}
        Says::Beside(_) if is_through => return Err(NOT_AS_SET),
        Says::Beside(_) => {}
        Says::Only(_) | Says::Unknown | Says::Dtls(_) if own == Srtp::Off => {
            return Err(NOT_AS_SET);
        }
        Says::Only(_) | Says::Unknown | Says::Dtls(_) if is_through && !both_pass => {
            return Err(NOT_AS_SET);
        }
        Says::Unknown if !both_pass => return Err(NOT_ACCEPTABLE),
        Says::Only(_) | Says::Unknown | Says::Dtls(_) => {}
    }
    if both_pass {
        return Ok(Told::Theirs);
    }
    let is_secret = matches!(says, Says::Beside(_) | Says::Only(_) | Says::Dtls(_));
    let is_encrypted = own != Srtp::Off && is_secret;
    match far {
        Srtp::Off => Ok(Told::Plain),
        Srtp::Pass | Srtp::Accept if is_encrypted => Ok(Told::Beside),
        Srtp::Pass | Srtp::Accept => Ok(Told::Plain),
        Srtp::Offer => Ok(Told::Beside),
        Srtp::Require => Ok(Told::Only),
        Srtp::Dtls => Ok(Told::Dtls),
        Srtp::EndToEnd => Err(NOT_AS_SET),
    }
}

/// SRTP of one media line of a leg.
#[derive(Default)]
pub(super) struct Secret {
    pub(super) told: Told,
    /// Keys of ours that the party was told, one for each suite.
    pub(super) ours: Vec<Master>,
    /// The key of its last description.
    theirs: Option<Tagged>,
    /// Whether that was by `RTP/SAVP`.
    is_savp: bool,
    /// Keys by DTLS, where they ever were spoken of.
    pub(super) dtls: Option<Box<dtls::Line>>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("told", &self.told).finish_non_exhaustive()
    }
}

impl Secret {
    /// What it says counts from now on.
    fn hear(&mut self, says: Says, maker: &mut KeyMaker) {
        self.is_savp = matches!(says, Says::Only(_));
        match says {
            Says::Dtls(shown) => {
                self.theirs = None;
                if let Some(dtls) = self.dtls(maker) {
                    dtls.hear(*shown);
                }
            }
            says
            @ (Says::Other | Says::Plain | Says::Beside(_) | Says::Only(_) | Says::Unknown) => {
                self.theirs = says.key();
                if let Some(dtls) = &mut self.dtls {
                    dtls.shown = None;
                }
            }
        }
    }

    /// Keys by DTLS, spoken of from now on.
    fn dtls(&mut self, maker: &mut KeyMaker) -> Option<&mut dtls::Line> {
        if self.dtls.is_none() {
            self.dtls = dtls::Line::new(maker).map(Box::new);
        }
        self.dtls.as_deref_mut()
    }

    /// Whether keys are agreed on by DTLS.
    pub(super) fn is_dtls(&self) -> bool {
        let is_shown = self.dtls.as_deref().is_some_and(|dtls| dtls.shown.is_some());
        self.told == Told::Dtls && is_shown
    }

    fn has(&self, suite: Suite) -> bool {
        self.ours.iter().any(|ours| ours.suite() == suite)
    }

    /// Our key of a suite, made when it is first told.
    fn our(&mut self, suite: Suite, maker: &mut KeyMaker) -> Option<&Master> {
        if !self.has(suite) {
            self.ours.push(maker.make(suite)?);
        }
        self.ours.iter().find(|ours| ours.suite() == suite)
    }

    /// The lines of our offer: the suite in use, or those that we offer.
    fn offer(&mut self, maker: &mut KeyMaker) -> Vec<u8> {
        let used = self.theirs.as_ref().map(|(_, theirs)| theirs.suite());
        let used = used.filter(|suite| self.has(*suite));
        let mut lines = Vec::new();
        let suites: &[Suite] = used.as_slice();
        let suites = if suites.is_empty() { &OFFERED } else { suites };
        for (suite, tag) in suites.iter().zip(1..) {
            if let Some(ours) = self.our(*suite, maker) {
                write_crypto(&mut lines, tag, ours);
            }
        }
        lines
    }

    /// The line of our answer to its offer, and what it is told by that.
    fn answer(&mut self, maker: &mut KeyMaker) -> Vec<u8> {
        let mut lines = Vec::new();
        let Some((tag, suite)) = self.theirs.as_ref().map(|(tag, key)| (*tag, key.suite())) else {
            self.told = Told::Plain;
            return lines;
        };
        self.told = if self.is_savp { Told::Only } else { Told::Beside };
        if let Some(ours) = self.our(suite, maker) {
            write_crypto(&mut lines, tag, ours);
        }
        lines
    }

    /// The keys that were agreed on.
    fn keys(&self) -> Option<Keys> {
        match self.told {
            Told::Theirs | Told::Plain => return None,
            Told::Dtls => return self.dtls.as_ref()?.keys.clone(),
            Told::Beside | Told::Only => {}
        }
        let (_, theirs) = self.theirs.as_ref()?;
        let ours = self.ours.iter().find(|ours| ours.suite() == theirs.suite())?;
        Some(Keys { ours: ours.clone(), theirs: theirs.clone() })
    }

    /// The keys of RTCP: those of RTP, unless two associations were agreed on.
    fn rtcp_keys(&self) -> Option<Keys> {
        match self.dtls.as_deref().filter(|_| self.told == Told::Dtls) {
            Some(dtls) => dtls.keys_of_rtcp(dtls.shares_port()).cloned(),
            None => self.keys(),
        }
    }

    /// Whether an answer is one to what it was told.
    fn fits(&self, says: &Says) -> Result<(), Cause> {
        match (self.told, says) {
            (Told::Theirs, _) | (_, Says::Other) => Ok(()),
            (Told::Plain, Says::Plain | Says::Beside(_)) => Ok(()),
            (Told::Beside, Says::Plain) => Ok(()),
            (Told::Only, Says::Plain) => Err(NOT_AS_SET),
            (Told::Beside | Told::Only, Says::Beside((_, key)) | Says::Only((_, key)))
                if self.has(key.suite()) =>
            {
                Ok(())
            }
            (Told::Dtls, Says::Dtls(_)) => Ok(()),
            (Told::Dtls, Says::Plain) => Err(NOT_AS_SET),
            (_, Says::Beside(_) | Says::Only(_) | Says::Unknown | Says::Dtls(_)) => {
                Err(NOT_ACCEPTABLE)
            }
        }
    }
}

/// RFC 4568 section 9.1.
fn write_crypto(out: &mut Vec<u8>, tag: u32, key: &Master) {
    out.extend_from_slice(b"a=crypto:");
    out.extend_from_slice(tag.to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(key.suite().name().as_bytes());
    out.extend_from_slice(b" inline:");
    key.write_base64(out);
    out.extend_from_slice(b"\r\n");
}

/// What a media line is told of keys: the lines that say it, and how they are spoken by DTLS.
type Said = (Told, Vec<u8>, DtlsForm);

/// A line that hears what the other party says.
const fn theirs() -> Said {
    (Told::Theirs, Vec::new(), DtlsForm { has_ice: false, has_mux: false, has_feedback: false })
}

/// What a description that goes on tells of keys, line by line.
pub(super) struct Telling(Vec<Said>);

impl Telling {
    /// For [`strowger_sdp::RelayPlan::keys`].
    pub(super) fn keyed(&self) -> Vec<Keyed<'_>> {
        self.0.iter().map(|(told, lines, form)| told.keyed(lines, *form)).collect()
    }
}

impl Told {
    const fn keyed(self, lines: &[u8], form: DtlsForm) -> Keyed<'_> {
        match self {
            Told::Theirs => Keyed::Theirs,
            Told::Plain => Keyed::Plain,
            Told::Beside => Keyed::Ours { lines, is_required: false },
            Told::Only => Keyed::Ours { lines, is_required: true },
            Told::Dtls => Keyed::Dtls { lines, form },
        }
    }
}

impl Line {
    /// Whether its SRTP, if it has any, ends here.
    pub(super) fn ends_here(&self) -> bool {
        self.secret.as_ref().is_some_and(|secret| secret.told != Told::Theirs)
    }

    fn secret(&mut self) -> &mut Secret {
        self.secret.get_or_insert_default()
    }

    /// What the party is told by a new offer of the other side: who has encrypted so far goes on,
    /// whatever the other side speaks.
    fn kept(&self, told: Told, far: Srtp) -> Told {
        let is_kept = told != Told::Theirs && far != Srtp::Off;
        if self.secret.as_deref().is_some_and(|secret| is_kept && secret.is_dtls()) {
            return Told::Dtls;
        }
        let is_open = matches!(told, Told::Plain | Told::Beside) && far != Srtp::Off;
        match self.secret.as_deref().filter(|secret| is_open && secret.keys().is_some()) {
            Some(Secret { is_savp: true, .. }) => Told::Only,
            Some(_) => Told::Beside,
            None => told,
        }
    }

    /// Notes what the party says, where that is anybody's business but the other party's.
    fn hear(&mut self, says: Says, is_ended: bool, maker: &mut KeyMaker) {
        if is_ended || self.secret.is_some() {
            self.secret().hear(says, maker);
        }
    }
}

impl MediaDesk {
    /// Whether a description has to do with SRTP at all: most have not.
    pub(super) fn concerns_keys(
        &self,
        (from, to): (LegId, LegId),
        terms: &[Terms],
        policy: (&MediaPolicy, &MediaPolicy),
    ) -> bool {
        let is_said = |terms: &Terms| terms.has_keys || terms.transport != Transport::Rtp;
        let is_known = |leg: LegId| {
            self.legs.get(&leg).is_some_and(|media| media.lines.iter().any(Line::has_secret))
        };
        (policy.0.srtp, policy.1.srtp) != (Srtp::Accept, Srtp::Accept)
            || terms.iter().any(is_said)
            || is_known(from)
            || is_known(to)
    }

    /// Judges what a description says of keys; what it is to say where it goes.
    ///
    /// # Errors
    /// The cause with which it is refused. Nothing has changed then.
    pub(super) fn tell_keys(
        &mut self,
        (from, to): (LegId, LegId),
        role: Role,
        (theirs, terms): (&Description<'_>, &[Terms]),
        policy: (&MediaPolicy, &MediaPolicy),
    ) -> Result<Telling, Cause> {
        let says = theirs.media().zip(terms).map(|(media, terms)| Says::of(&media, terms));
        let says: Vec<Says> = says.collect();
        for leg in [from, to] {
            grow(&mut self.leg(leg).lines, says.len());
        }
        match role {
            Role::Offer => self.tell_offer((from, to), says, (policy.0.srtp, policy.1.srtp)),
            Role::Answer => self.tell_answer((from, to), says, terms),
        }
    }

    fn tell_offer(
        &mut self,
        (from, to): (LegId, LegId),
        says: Vec<Says>,
        (own, far): (Srtp, Srtp),
    ) -> Result<Telling, Cause> {
        let told = says.iter().map(|says| tell(own, far, says)).collect::<Result<Vec<_>, _>>()?;
        let mut telling = Vec::with_capacity(told.len());
        for (index, (says, told)) in says.into_iter().zip(told).enumerate() {
            if says == Says::Other {
                telling.push(theirs());
                continue;
            }
            let told = self.line(to, index).map_or(told, |line| line.kept(told, far));
            let is_ended = told != Told::Theirs;
            // What is not to be spoken with it was not said.
            let says = if own == Srtp::Off && is_ended { Says::Plain } else { says };
            self.hear(from, index, says, is_ended)?;
            telling.push(self.offer_keys(to, index, told)?);
        }
        Ok(Telling(telling))
    }

    /// Notes what a party says; keys by DTLS that end here need a certificate of ours.
    fn hear(&mut self, from: LegId, index: usize, says: Says, ends: bool) -> Result<(), Cause> {
        if ends && matches!(says, Says::Dtls(_)) && self.associations.is_none() {
            return Err(NOT_ACCEPTABLE);
        }
        let media = self.legs.get_mut(&from);
        if let Some(line) = media.and_then(|media| media.lines.get_mut(index)) {
            line.hear(says, ends, &mut self.maker);
        }
        Ok(())
    }

    /// The lines with which a leg is offered keys as `told`.
    fn offer_keys(&mut self, to: LegId, index: usize, told: Told) -> Result<Said, Cause> {
        let identity = self.identity();
        let media = self.legs.get_mut(&to);
        let Some(line) = media.and_then(|media| media.lines.get_mut(index)) else {
            return Ok(theirs());
        };
        if told == Told::Theirs && line.secret.is_none() {
            return Ok(theirs());
        }
        let secret = line.secret();
        secret.told = told;
        match told {
            Told::Theirs | Told::Plain => Ok((told, Vec::new(), DtlsForm::default())),
            Told::Beside | Told::Only => {
                Ok((told, secret.offer(&mut self.maker), DtlsForm::default()))
            }
            Told::Dtls => {
                let dtls = secret.dtls(&mut self.maker).ok_or(NOT_ACCEPTABLE)?;
                let (lines, form) = dtls.offer(&*identity.ok_or(NOT_ACCEPTABLE)?);
                Ok((told, lines, form))
            }
        }
    }

    /// Who we are to parties that agree on keys by DTLS.
    fn identity(&self) -> Option<Arc<Identity>> {
        self.associations.as_ref().map(|all| Arc::clone(&all.identity))
    }

    fn tell_answer(
        &mut self,
        (from, to): (LegId, LegId),
        says: Vec<Says>,
        terms: &[Terms],
    ) -> Result<Telling, Cause> {
        for (index, (says, terms)) in says.iter().zip(terms).enumerate() {
            match self.line(from, index).and_then(|line| line.secret.as_deref()) {
                Some(secret) if secret.told != Told::Theirs => secret.fits(says)?,
                // It was told what the other party said, so it answers that.
                Some(_) | None => self.passes(to, index, terms)?,
            }
        }
        let mut telling = Vec::with_capacity(says.len());
        for (index, says) in says.into_iter().enumerate() {
            if says == Says::Other {
                telling.push(theirs());
                continue;
            }
            let is_ended = self.line(from, index).is_some_and(|line| line.ends_here());
            self.hear(from, index, says, is_ended)?;
            telling.push(self.answer_keys(to, index, is_ended));
        }
        Ok(Telling(telling))
    }

    fn answer_keys(&mut self, to: LegId, index: usize, is_ended: bool) -> Said {
        let identity = self.identity();
        let media = self.legs.get_mut(&to);
        let line = media.and_then(|media| media.lines.get_mut(index));
        match line {
            Some(line) if is_ended => {
                let secret = line.secret();
                let dtls = secret.dtls.as_deref_mut().zip(identity);
                let by_dtls =
                    dtls.and_then(|(dtls, identity)| dtls.answer(&identity, &mut self.maker));
                if let Some((lines, form)) = by_dtls {
                    secret.told = Told::Dtls;
                    return (Told::Dtls, lines, form);
                }
                let lines = secret.answer(&mut self.maker);
                (secret.told, lines, DtlsForm::default())
            }
            Some(Line { secret: Some(secret), .. }) => {
                secret.told = Told::Theirs;
                theirs()
            }
            Some(_) | None => theirs(),
        }
    }

    /// Whether a line that goes as it is answers what its offerer said.
    fn passes(&mut self, to: LegId, index: usize, terms: &Terms) -> Result<(), Cause> {
        let offered = self.line(to, index).and_then(|line| line.terms);
        let is_other = |offered: &Terms| {
            let is_used = !offered.is_rejected() && !terms.is_rejected();
            is_used && offered.kind == terms.kind && offered.transport != terms.transport
        };
        if offered.as_ref().is_some_and(is_other) { Err(NOT_ACCEPTABLE) } else { Ok(()) }
    }

    /// Whether a description that goes past us may pass.
    pub(super) fn may_pass(
        (theirs, terms): (&Description<'_>, &[Terms]),
        (own, far): (Srtp, Srtp),
    ) -> Result<(), Cause> {
        for (media, terms) in theirs.media().zip(terms) {
            tell(own, far, &Says::of(&media, terms))?;
        }
        Ok(())
    }

    /// What we say of keys in an offer that is ours alone.
    pub(super) fn compose_keys(&mut self, to: LegId, srtp: Srtp) -> Result<Telling, Cause> {
        grow(&mut self.leg(to).lines, 1);
        let told = match srtp {
            // Nobody else's keys are there to pass.
            Srtp::EndToEnd => return Err(NOT_AS_SET),
            Srtp::Off | Srtp::Pass | Srtp::Accept => return Ok(Telling(Vec::new())),
            Srtp::Offer => Told::Beside,
            Srtp::Require => Told::Only,
            Srtp::Dtls => Told::Dtls,
        };
        Ok(Telling(vec![self.offer_keys(to, 0, told)?]))
    }

    fn line(&mut self, leg: LegId, index: usize) -> Option<&mut Line> {
        self.legs.get_mut(&leg)?.lines.get_mut(index)
    }

    /// Gives the ports of a leg the keys that were agreed on. A key of ours that is no longer used
    /// never is again: where its indices were is forgotten with its guard.
    pub(super) fn guard(&mut self, leg: LegId, now: Tick) {
        let Some(media) = self.legs.get_mut(&leg) else { return };
        for (index, line) in media.lines.iter_mut().enumerate() {
            let (Some(ports), Some(secret)) = (line.ports, line.secret.as_deref_mut()) else {
                continue;
            };
            let is_dtls = secret.is_dtls();
            let dtls = secret.dtls.as_deref().filter(|_| is_dtls);
            if secret.dtls.is_some() {
                let secured = dtls.and_then(|dtls| dtls.secured(now));
                self.relay.secure((ports.rtp, ports.rtcp), secured.as_ref());
            }
            match (dtls, self.associations.as_deref_mut()) {
                (Some(dtls), Some(all)) => {
                    if let Some(start) = start(dtls, &all.identity) {
                        all.keep(ports.rtp, (leg, index), start.clone());
                        match dtls.shares_port() {
                            true => all.forget(ports.rtcp),
                            false => all.keep(ports.rtcp, (leg, index), start),
                        }
                    }
                }
                (None, Some(all)) => {
                    all.forget(ports.rtp);
                    all.forget(ports.rtcp);
                }
                (_, None) => {}
            }
            let (keys, of_rtcp) = (secret.keys(), secret.rtcp_keys());
            self.relay.guard_apart((ports.rtp, ports.rtcp), [keys.as_ref(), of_rtcp.as_ref()]);
            let had_keys = self.guarded.contains_key(&ports.rtp);
            match &keys {
                Some(keys) if !is_dtls => secret.ours.retain(|ours| *ours == keys.ours),
                None if !is_dtls && !had_keys => {}
                Some(_) | None => secret.ours.clear(),
            }
            for port in [ports.rtp, ports.rtcp] {
                match keys.is_some() || is_dtls {
                    true => drop(self.guarded.insert(port, leg)),
                    false => drop(self.guarded.remove(&port)),
                }
            }
        }
    }

    /// Takes the keys of a leg's ports away.
    pub(super) fn unguard(&mut self, line: &Line) {
        let Some(ports) = line.ports.filter(|_| line.has_secret()) else { return };
        self.relay.secure((ports.rtp, ports.rtcp), None);
        self.relay.guard((ports.rtp, ports.rtcp), None);
        self.guarded.remove(&ports.rtp);
        self.guarded.remove(&ports.rtcp);
        if let Some(associations) = &mut self.associations {
            associations.forget(ports.rtp);
            associations.forget(ports.rtcp);
        }
    }

    /// The SRTP of a leg's line in a former life, the party's last description known.
    pub(super) fn recall(
        &mut self,
        leg: LegId,
        (index, media): (usize, &Media<'_, '_>),
        (told, ours): (Told, Vec<Master>),
        dtls: Option<dtls::Line>,
    ) {
        let found = self.legs.get_mut(&leg);
        let Some(line) = found.and_then(|found| found.lines.get_mut(index)) else { return };
        let Some(terms) = line.terms else { return };
        let secret = line.secret();
        let is_active = dtls.as_ref().is_some_and(|dtls| dtls.is_active);
        (secret.told, secret.ours, secret.dtls) = (told, ours, dtls.map(Box::new));
        secret.hear(Says::of(media, &terms), &mut self.maker);
        if let Some(dtls) = &mut secret.dtls {
            dtls.is_active = is_active;
        }
    }
}

/// What an association with the party of a line begins with.
fn start(dtls: &dtls::Line, identity: &Arc<Identity>) -> Option<Start> {
    let theirs = dtls.shown.as_ref()?.fingerprint;
    Some(Start { identity: Arc::clone(identity), theirs, is_active: dtls.is_active })
}

impl Line {
    pub(super) const fn has_secret(&self) -> bool {
        self.secret.is_some()
    }
}

#[cfg(test)]
mod tests;
