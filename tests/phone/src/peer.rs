//! The other end of media as browsers have it: full ICE towards a lite side (RFC 8445), keys by
//! DTLS (RFC 5763), RTP and RTCP by one port (RFC 5761). Own STUN; DTLS is `dimpl`'s.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dimpl::crypto::rust_crypto;
use dimpl::{Config, Dtls, DtlsCertificate, Output};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::random::Random;
use crate::sdp::{Sdp, Shake};
use crate::srtp::{Srtp, Vault};

/// How often a check goes out that has no answer yet.
const CHECK_EVERY: Duration = Duration::from_millis(50);
/// How often one goes out afterwards.
const CONSENT_EVERY: Duration = Duration::from_secs(1);
const COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
const MESSAGE_INTEGRITY: u16 = 0x0008;
const FINGERPRINT: u16 = 0x8028;
/// What the protocol may say in one step.
const OUTPUTS_MAX: usize = 64;

/// One end.
pub(crate) struct Peer {
    ufrag: String,
    pwd: String,
    certificate: DtlsCertificate,
    is_passive: bool,
    is_impostor: bool,
    /// `None` until it is known who begins.
    is_active: Option<bool>,
    theirs: Option<Shake>,
    target: Option<SocketAddr>,
    transaction: [u8; 12],
    next_check: Option<Instant>,
    checks_answered: u64,
    dtls: Option<Dtls>,
    due: Option<Instant>,
    is_proven: bool,
    vault: Option<Vault>,
    out: Vec<Vec<u8>>,
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { is_active, target, checks_answered, is_proven, .. } = self;
        f.debug_struct("Peer")
            .field("is_active", is_active)
            .field("target", target)
            .field("checks_answered", checks_answered)
            .field("is_proven", is_proven)
            .finish_non_exhaustive()
    }
}

impl Peer {
    pub(crate) fn new(random: &mut Random, srtp: Srtp) -> Option<Self> {
        let key = rcgen::KeyPair::generate().ok()?;
        let own = rcgen::CertificateParams::default().self_signed(&key).ok()?;
        let certificate =
            DtlsCertificate { certificate: own.der().to_vec(), private_key: key.serialize_der() };
        let word = |random: &mut Random| format!("{:016x}", random.bits());
        Some(Self {
            ufrag: word(random),
            pwd: word(random) + &word(random),
            certificate,
            is_passive: srtp == Srtp::DtlsPassive,
            is_impostor: srtp == Srtp::DtlsImpostor,
            is_active: None,
            theirs: None,
            target: None,
            transaction: [7; 12],
            next_check: None,
            checks_answered: 0,
            dtls: None,
            due: None,
            is_proven: false,
            vault: None,
            out: Vec::new(),
        })
    }

    /// What our description says: a role, once it is known; before it a choice, as we are set.
    pub(crate) fn say(&self, remote: Option<&Sdp>) -> Shake {
        let setup = match (self.is_active, remote.is_some(), self.is_passive) {
            (Some(true), ..) | (None, true, false) => "active",
            (Some(false), ..) | (None, _, true) => "passive",
            (None, false, false) => "actpass",
        };
        let certificate = &self.certificate.certificate;
        let shown: &[u8] = if self.is_impostor { b"of somebody else" } else { certificate };
        Shake {
            fingerprint: print(shown),
            setup: setup.to_owned(),
            ufrag: self.ufrag.clone(),
            pwd: self.pwd.clone(),
            is_lite: false,
        }
    }

    /// The other side's description is in force.
    pub(crate) fn hear(&mut self, theirs: &Shake, target: SocketAddr, now: Instant) {
        self.target = Some(target);
        if self.theirs.as_ref().is_none_or(|before| before.ufrag != theirs.ufrag) {
            self.next_check = Some(now);
        }
        let is_active = match theirs.setup.as_str() {
            "active" => false,
            "passive" => true,
            _ => !self.is_passive,
        };
        self.is_active.get_or_insert(is_active);
        self.theirs = Some(theirs.clone());
    }

    /// Keys that were agreed on, once.
    pub(crate) fn take_vault(&mut self) -> Option<Vault> {
        self.vault.take()
    }

    /// What is to be sent, and where to.
    pub(crate) fn take_out(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.out)
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, now: Instant) {
        if self.next_check.is_some_and(|at| at <= now) {
            self.check();
            let answered = self.checks_answered > 0;
            self.next_check = Some(now + if answered { CONSENT_EVERY } else { CHECK_EVERY });
        }
        if self.due.is_some_and(|due| due <= now) {
            self.due = None;
            if let Some(dtls) = &mut self.dtls {
                let _over = dtls.handle_timeout(now);
            }
            self.drain();
        }
    }

    /// Something that is no media came.
    pub(crate) fn handle(&mut self, bytes: &[u8], now: Instant) {
        match bytes.first() {
            Some(0..=3) => self.handle_stun(bytes, now),
            Some(20..=63) if self.checks_answered > 0 => {
                self.begin(now);
                if let Some(dtls) = &mut self.dtls {
                    let _noise = dtls.handle_packet(bytes);
                }
                self.drain();
            }
            Some(_) | None => {}
        }
    }

    fn handle_stun(&mut self, bytes: &[u8], now: Instant) {
        let Some(theirs) = &self.theirs else { return };
        let is_ours = bytes.get(8..20) == Some(&self.transaction);
        if !is_ours || bytes.get(..2) != Some(&[1, 1]) || !is_signed(bytes, &theirs.pwd) {
            return;
        }
        self.checks_answered += 1;
        if self.is_active == Some(true) && self.dtls.is_none() {
            self.begin(now);
            self.drain();
        }
    }

    /// RFC 8445 7.2.2: we control, and nominate what we check.
    fn check(&mut self) {
        let Some(theirs) = &self.theirs else { return };
        self.transaction[0] = self.transaction[0].wrapping_add(1);
        let mut bytes = vec![0, 1, 0, 0];
        bytes.extend_from_slice(&COOKIE);
        bytes.extend_from_slice(&self.transaction);
        let name = format!("{}:{}", theirs.ufrag, self.ufrag);
        put(&mut bytes, 0x0006, name.as_bytes());
        put(&mut bytes, 0x0024, &0x6E00_01FFu32.to_be_bytes());
        put(&mut bytes, 0x802A, &[9; 8]);
        put(&mut bytes, 0x0025, &[]);
        lengthen(&mut bytes, 24);
        let tag = sign(&bytes, &theirs.pwd);
        put(&mut bytes, MESSAGE_INTEGRITY, &tag);
        lengthen(&mut bytes, 8);
        let sum = crc32(&bytes) ^ 0x5354_554E;
        put(&mut bytes, FINGERPRINT, &sum.to_be_bytes());
        self.out.push(bytes);
    }

    fn begin(&mut self, now: Instant) {
        if self.dtls.is_some() {
            return;
        }
        let provider = rust_crypto::default_provider();
        let Ok(config) = Config::builder().with_crypto_provider(provider).build() else { return };
        let mut dtls = Dtls::new_12(Arc::new(config), self.certificate.clone(), now);
        dtls.set_active(self.is_active == Some(true));
        let _ready = dtls.handle_timeout(now);
        self.dtls = Some(dtls);
    }

    fn drain(&mut self) {
        let Some(dtls) = &mut self.dtls else { return };
        let mut room = vec![0; 16 * 1024];
        for _ in 0..OUTPUTS_MAX {
            match dtls.poll_output(&mut room) {
                Output::Packet(packet) => self.out.push(packet.to_vec()),
                Output::Timeout(at) => {
                    self.due = Some(at);
                    return;
                }
                Output::PeerCert(der) => {
                    let said = self.theirs.as_ref().map(|theirs| theirs.fingerprint.as_str());
                    self.is_proven = said == Some(&print(der));
                }
                Output::KeyingMaterial(keys, _) if self.is_proven => {
                    self.vault = vault(&keys, self.is_active == Some(true));
                }
                Output::KeyingMaterial(..)
                | Output::Connected
                | Output::ApplicationData(_)
                | Output::CloseNotify => {}
                Output::BufferTooSmall { .. } | _ => {}
            }
        }
    }
}

/// RFC 5764 4.2: both keys, then both salts, the client's first.
fn vault(octets: &[u8], is_client: bool) -> Option<Vault> {
    let (key, salt) = match octets.len() {
        60 => (16, 14),
        56 => (16, 12),
        88 => (32, 12),
        _ => return None,
    };
    let of = |nth: usize| {
        let (key_at, salt_at) = (nth * key, 2 * key + nth * salt);
        [&octets[key_at..key_at + key], &octets[salt_at..salt_at + salt]].concat()
    };
    let (client, server) = (of(0), of(1));
    match is_client {
        true => Vault::of_masters(&client, &server),
        false => Vault::of_masters(&server, &client),
    }
}

/// A certificate's sum as descriptions have it.
fn print(der: &[u8]) -> String {
    let octets: Vec<String> = Sha256::digest(der).iter().map(|o| format!("{o:02X}")).collect();
    format!("sha-256 {}", octets.join(":"))
}

fn put(bytes: &mut Vec<u8>, kind: u16, value: &[u8]) {
    bytes.extend_from_slice(&kind.to_be_bytes());
    bytes.extend_from_slice(&u16::try_from(value.len()).unwrap_or(0).to_be_bytes());
    bytes.extend_from_slice(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    lengthen(bytes, 0);
}

/// Writes the length of a message that will have so many octets more.
fn lengthen(bytes: &mut [u8], more: usize) {
    let len = u16::try_from(bytes.len() + more - 20).unwrap_or(0);
    bytes[2..4].copy_from_slice(&len.to_be_bytes());
}

fn sign(bytes: &[u8], pwd: &str) -> [u8; 20] {
    let mut tag = [0; 20];
    if let Ok(mut mac) = <Hmac<Sha1> as KeyInit>::new_from_slice(pwd.as_bytes()) {
        mac.update(bytes);
        tag.copy_from_slice(&mac.finalize().into_bytes());
    }
    tag
}

fn is_signed(bytes: &[u8], pwd: &str) -> bool {
    let mut at = 20;
    while let Some(&[k0, k1, l0, l1]) = bytes.get(at..at + 4) {
        let len = usize::from(u16::from_be_bytes([l0, l1]));
        if u16::from_be_bytes([k0, k1]) == MESSAGE_INTEGRITY {
            let mut before = bytes[..at].to_vec();
            lengthen(&mut before, 24);
            return bytes.get(at + 4..at + 24) == Some(&sign(&before, pwd));
        }
        at += 4 + len.next_multiple_of(4);
    }
    false
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |mut sum, byte| {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ 0xEDB8_8320 } else { sum >> 1 };
        }
        sum
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_of_rfc_5769_is_signed() {
        let hex = "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74\
            002400046e0001ff80290008932ff9b151263b36000600096576746a3a68367659202020\
            000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf";
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        let octet = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
        let bytes: Vec<u8> = digits.chunks(2).map(|pair| octet(pair).unwrap()).collect();
        assert!(is_signed(&bytes, "VOkJxbRl1RmTxUk/WvJxBt"));
        assert!(!is_signed(&bytes, "VOkJxbRl1RmTxUk/WvJxBu"));
        let sum = crc32(&bytes[..bytes.len() - 8]) ^ 0x5354_554E;
        assert_eq!(bytes[bytes.len() - 4..], sum.to_be_bytes());
    }
}
