//! Media of a leg across lives of the process: its ports, our session's number, what its party said
//! last, and its keys of SRTP with where their streams are.
//!
//! The party's description is kept as text and read again, so that nothing that a description can
//! say has to be remembered twice. What packets taught (latched sources, counts) is not kept: it is
//! learned again from the next packet by the same rules.
//!
//! Keys of ours stand in the image, the party's in its description. Where a stream was is marked
//! each 16,384 packets, so what was sent since the last mark is less than half a round of sequence
//! numbers: the next packet tells the rollover counter, and its index is a new one. The table is a
//! file that only this user reads, who could read the keys in our memory as well.

use super::secret::Told;
use super::{Desk, LegMedia, Line, MediaDesk, NO_PORTS, dtls, terms_of};
use core::fmt;
use std::net::{IpAddr, SocketAddr};
use strowger_ice::Credentials;
use strowger_link::codec::{Malformed, Octets, Reader, Wire, put_list_of, put_octets_of};
use strowger_link::{Cause, LegId, MediaPolicy, wire_struct};
use strowger_media::ports::PortPair;
use strowger_media::{GuardMarks, Keys};
use strowger_port::net::Io;
use strowger_sdp::limits::MEDIA_MAX;
use strowger_sdp::{Description, LocalSession};
use strowger_srtp::{Mark, Master, Suite};

/// Longest description kept, bytes; a leg with a longer one cannot be taken up.
pub(crate) const SAID_MAX: usize = 3 * 1024;

/// Media of one leg.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct FrozenMedia {
    /// Number of our session.
    pub session: u64,
    /// Version of our last body.
    pub version: u64,
    /// Index of our address.
    pub address: u8,
    /// Where its signalling comes from.
    pub signalling: Option<IpAddr>,
    /// Its policy.
    pub policy: Option<MediaPolicy>,
    /// The party's last description.
    pub said: Octets,
    /// Our RTP port of each line.
    pub ports: Vec<Option<u16>>,
    /// SRTP of each line; nothing at all where no line has any.
    pub secrets: Vec<Option<FrozenSecret>>,
}

/// Added to the address of a leg whose secrets follow: others take no room, and are as they were in
/// the release before.
const SECRETS_FOLLOW: u8 = 0x80;
const _: () = assert!(strowger_media::limits::ADDRESSES_MAX < SECRETS_FOLLOW as usize);

impl Wire for FrozenMedia {
    fn put(&self, out: &mut Vec<u8>) {
        let FrozenMedia { session, version, address, signalling, policy, said, ports, secrets } =
            self;
        session.put(out);
        version.put(out);
        out.push(*address | if secrets.is_empty() { 0 } else { SECRETS_FOLLOW });
        signalling.put(out);
        policy.put(out);
        said.put(out);
        ports.put(out);
        if !secrets.is_empty() {
            secrets.put(out);
        }
    }

    fn take(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (session, version, address) =
            (Wire::take(input)?, Wire::take(input)?, u8::take(input)?);
        Ok(FrozenMedia {
            session,
            version,
            address: address & !SECRETS_FOLLOW,
            signalling: Wire::take(input)?,
            policy: Wire::take(input)?,
            said: Wire::take(input)?,
            ports: Wire::take(input)?,
            secrets: match address & SECRETS_FOLLOW {
                0 => Vec::new(),
                _ => Wire::take(input)?,
            },
        })
    }
}

/// SRTP of one line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct FrozenSecret {
    /// What the party was told.
    pub told: u8,
    /// Keys of ours.
    pub ours: Vec<FrozenKey>,
    /// RTP that the party sent.
    pub opened: Vec<FrozenMark>,
    /// RTP that it was sent.
    pub sealed: Vec<FrozenMark>,
    /// RTCP that it was sent.
    pub rtcp_sealed: u32,
    /// Keys by DTLS: there where it was told so, and nowhere else.
    pub dtls: Option<FrozenDtls>,
}

wire_struct! {
    /// Keys by DTLS of one line.
    pub struct FrozenDtls {
        /// Ours, of ICE.
        pub ufrag: Octets,
        /// The same. Secret.
        pub pwd: FrozenPwd,
        /// Whether we begin.
        pub is_active: bool,
        /// The keys that were agreed on, ours first; none before. Behind them those of RTCP, where
        /// it has its own.
        pub keys: Vec<FrozenKey>,
        /// Where the party was.
        pub chosen: Option<SocketAddr>,
    }
}

impl Wire for FrozenSecret {
    fn put(&self, out: &mut Vec<u8>) {
        let FrozenSecret { told, ours, opened, sealed, rtcp_sealed, dtls } = self;
        told.put(out);
        ours.put(out);
        opened.put(out);
        sealed.put(out);
        rtcp_sealed.put(out);
        if let Some(dtls) = dtls {
            dtls.put(out);
        }
    }

    fn take(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let told = u8::take(input)?;
        Ok(FrozenSecret {
            told,
            ours: Wire::take(input)?,
            opened: Wire::take(input)?,
            sealed: Wire::take(input)?,
            rtcp_sealed: Wire::take(input)?,
            dtls: match told == Told::Dtls.code() {
                true => Some(Wire::take(input)?),
                false => None,
            },
        })
    }
}

/// A password of ICE. Shows itself to no log.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct FrozenPwd(pub(crate) Octets);

impl fmt::Debug for FrozenPwd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FrozenPwd")
    }
}

impl Wire for FrozenPwd {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }

    fn take(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        Octets::take(input).map(FrozenPwd)
    }
}

wire_struct! {
    /// Where a stream was.
    pub struct FrozenMark {
        /// The source.
        pub ssrc: u32,
        /// Its highest index.
        pub index: u64,
    }
}

/// A key. Shows itself to no log.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct FrozenKey(pub(crate) Master);

impl fmt::Debug for FrozenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Wire for FrozenKey {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(self.0.suite().code());
        out.extend_from_slice(self.0.octets());
    }

    fn take(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let suite = Suite::from_code(u8::take(input)?).ok_or(Malformed)?;
        let octets = input.bytes(suite.master_len())?;
        Master::new(suite, octets).map(FrozenKey).ok_or(Malformed)
    }
}

fn frozen(marks: &[Mark]) -> Vec<FrozenMark> {
    marks.iter().map(|mark| FrozenMark { ssrc: mark.ssrc, index: mark.index }).collect()
}

fn thawed(marks: &[FrozenMark]) -> Vec<Mark> {
    marks.iter().map(|mark| Mark { ssrc: mark.ssrc, index: mark.index }).collect()
}

/// Keys by DTLS as a former life had them.
fn thawed_dtls(frozen: &FrozenDtls) -> Option<dtls::Line> {
    let credentials = Credentials::from_text(&frozen.ufrag.0, &frozen.pwd.0.0)?;
    let mut pairs = frozen.keys.chunks_exact(2).map(|pair| match pair {
        [ours, theirs] => Some(Keys { ours: ours.0.clone(), theirs: theirs.0.clone() }),
        _ => None,
    });
    let mut line = dtls::Line::with(credentials);
    (line.keys, line.rtcp_keys) = (pairs.next().flatten(), pairs.next().flatten());
    (line.is_active, line.chosen) = (frozen.is_active, frozen.chosen);
    Some(line)
}

impl MediaDesk {
    /// A leg whose image has changed; drain to `None`.
    pub(crate) fn poll_touched(&mut self) -> Option<LegId> {
        while let Some(port) = self.relay.poll_marked() {
            self.touched.extend(self.guarded.get(&port));
            if self.associations.is_some() {
                self.shown.push(port);
            }
        }
        self.touched.pop_first()
    }

    /// Appends the image of a leg's media, as an `Option<FrozenMedia>`: none when it has none, or
    /// too much to keep.
    pub(crate) fn freeze(&self, leg: LegId, out: &mut Vec<u8>) {
        let media = self.legs.get(&leg).filter(|media| media.said.len() <= SAID_MAX);
        media.is_some().put(out);
        let Some(media) = media else { return };
        let port = |line: &Line| {
            let (_, port) = self.space().place(line.ports?.rtp)?;
            Some(port)
        };
        media.session.id().put(out);
        media.session.version().put(out);
        let has_secrets = media.lines.iter().any(Line::has_secret);
        out.push(media.address | if has_secrets { SECRETS_FOLLOW } else { 0 });
        media.signalling.put(out);
        media.policy.put(out);
        put_octets_of(out, |out| out.extend_from_slice(&media.said));
        put_list_of(out, |out| {
            media.lines.iter().for_each(|line| port(line).put(out));
            media.lines.len()
        });
        if has_secrets {
            let secrets = media.lines.iter().map(|line| self.freeze_secret(line));
            secrets.collect::<Vec<_>>().put(out);
        }
    }

    fn freeze_secret(&self, line: &Line) -> Option<FrozenSecret> {
        let secret = line.secret.as_ref()?;
        let marks = line.ports.map(|ports| self.relay.marks((ports.rtp, ports.rtcp)));
        let GuardMarks { opened, sealed, rtcp_sealed } = marks.unwrap_or_default();
        Some(FrozenSecret {
            told: secret.told.code(),
            ours: secret.ours.iter().cloned().map(FrozenKey).collect(),
            opened: frozen(&opened),
            sealed: frozen(&sealed),
            rtcp_sealed,
            dtls: secret.dtls.as_deref().filter(|_| secret.told == Told::Dtls).map(|dtls| {
                // Those of RTCP are found by their place.
                let both = [&dtls.keys, if dtls.keys.is_some() { &dtls.rtcp_keys } else { &None }];
                let keys = both.into_iter().flatten().flat_map(|keys| [&keys.ours, &keys.theirs]);
                FrozenDtls {
                    ufrag: Octets(dtls.credentials.ufrag().to_vec()),
                    pwd: FrozenPwd(Octets(dtls.credentials.pwd().to_vec())),
                    is_active: dtls.is_active,
                    keys: keys.cloned().map(FrozenKey).collect(),
                    chosen: line.ports.and_then(|ports| self.relay.chosen(ports.rtp)),
                }
            }),
        })
    }

    /// The pair of an RTP port of ours.
    fn pair_at(&self, address: u8, port: u16) -> Option<PortPair> {
        let space = self.space();
        let rtp = space.local_port(address, port)?;
        let rtcp = space.local_port(address, port.checked_add(1)?)?;
        Some(PortPair { rtp, rtcp })
    }
}

impl<I: Io> Desk<'_, I> {
    /// Takes a leg's media back: the same ports, the same session.
    ///
    /// # Errors
    /// A port that is not to be had; nothing stays open.
    pub(crate) fn thaw(&mut self, leg: LegId, frozen: &FrozenMedia) -> Result<(), Cause> {
        let FrozenMedia { session, version, address, signalling, policy, said, ports, secrets } =
            frozen;
        if self.media.legs.contains_key(&leg) || ports.len() > MEDIA_MAX {
            return Err(NO_PORTS);
        }
        let media = LegMedia {
            session: LocalSession::resume(*session, *version, Vec::new()),
            address: *address,
            signalling: *signalling,
            policy: *policy,
            lines: Vec::new(),
            said: Vec::new(),
            peer: None,
            answered: false,
            greeted: false,
            report: None,
        };
        self.media.legs.insert(leg, Box::new(media));
        for (index, port) in ports.iter().enumerate() {
            if let Some(port) = port
                && let Err(cause) = self.reopen(leg, index, (*address, *port))
            {
                let _nothing_was_carried = strowger_call::Resources::release(self, leg);
                return Err(cause);
            }
        }
        if let (Ok(theirs), Some(policy)) = (Description::parse(&said.0), policy) {
            self.media.learn(leg, (&theirs, &terms_of(&theirs)), policy);
            self.media.keep_said(leg, &said.0);
            self.thaw_secrets(leg, &theirs, secrets);
        }
        Ok(())
    }

    /// Takes a leg's keys back, and goes on behind all that may have been sent under them.
    fn thaw_secrets(
        &mut self,
        leg: LegId,
        theirs: &Description<'_>,
        secrets: &[Option<FrozenSecret>],
    ) {
        for (index, (media, secret)) in theirs.media().zip(secrets).enumerate() {
            let Some(secret) = secret else { continue };
            let Some(told) = Told::from_code(secret.told) else { continue };
            let ours = secret.ours.iter().map(|key| key.0.clone()).collect();
            let dtls = secret.dtls.as_ref().and_then(thawed_dtls);
            self.media.recall(leg, (index, &media), (told, ours), dtls);
        }
        self.media.guard(leg, self.now);
        let lines = self.media.legs.get(&leg).map_or(&[][..], |media| &media.lines);
        for (line, secret) in lines.iter().zip(secrets) {
            let (Some(ports), Some(secret)) = (line.ports, secret) else { continue };
            let marks = GuardMarks {
                opened: thawed(&secret.opened),
                sealed: thawed(&secret.sealed),
                rtcp_sealed: secret.rtcp_sealed,
            };
            self.media.relay.resume((ports.rtp, ports.rtcp), &marks);
        }
    }

    fn reopen(
        &mut self,
        leg: LegId,
        index: usize,
        (address, port): (u8, u16),
    ) -> Result<(), Cause> {
        let pair = self.media.pair_at(address, port).ok_or(NO_PORTS)?;
        self.media.ports.claim(pair).map_err(|_| NO_PORTS)?;
        let opened = self.open_pair(pair);
        if opened.is_err() {
            // It was claimed just now, so it can be given back.
            let _given = self.media.ports.give(pair, self.now);
            return opened;
        }
        let lines = &mut self.media.leg(leg).lines;
        lines.resize_with(lines.len().max(index + 1), Line::default);
        if let Some(line) = lines.get_mut(index) {
            line.ports = Some(pair);
        }
        Ok(())
    }
}
