//! The little of SDP that one audio call needs (RFC 8866, RFC 3264): address, port, formats,
//! ptime, direction.

use std::net::{IpAddr, SocketAddr};

/// Direction of a stream as its describer sees it (RFC 3264 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Both ways.
    SendRecv,
    /// The describer sends only: it holds the other side.
    SendOnly,
    /// The describer listens only.
    RecvOnly,
    /// Neither.
    Inactive,
}

/// One audio session description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sdp {
    /// Session id of the origin line.
    pub session: u64,
    /// Session version of the origin line: grows by one with each change (RFC 3264 8).
    pub version: u64,
    /// Where RTP is to be sent. Port 0: the stream is refused.
    pub rtp: SocketAddr,
    /// Where RTCP is to be sent when not to the next port (RFC 3605).
    pub rtcp: Option<SocketAddr>,
    /// RTP payload types in order of preference.
    pub formats: Vec<u8>,
    /// Packet time asked for, ms.
    pub ptime_ms: Option<u32>,
    /// Direction as the describer sees it.
    pub direction: Direction,
    /// The describer's key, if there is one.
    pub key: Option<Key>,
    /// How keys are agreed on with the describer by DTLS, if they are.
    pub shake: Option<Shake>,
}

/// Keys by DTLS and ICE in a description (RFC 5763, RFC 8839).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shake {
    /// `sha-256` and the sum of the certificate.
    pub fingerprint: String,
    /// Who begins.
    pub setup: String,
    /// Credentials of ICE.
    pub ufrag: String,
    /// The same.
    pub pwd: String,
    /// The describer is a lite side.
    pub is_lite: bool,
}

/// A key of SRTP in a description (RFC 4568).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its number.
    pub tag: u32,
    /// Whether the transport is `RTP/SAVP`; else the key stands beside `RTP/AVP`.
    pub savp: bool,
    /// The key with its salt, base64.
    pub text: String,
}

impl Direction {
    /// The attribute's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// True when the describer sends.
    #[must_use]
    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// True when the describer receives.
    #[must_use]
    pub fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// From the two halves.
    #[must_use]
    pub fn of(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// The answer to an offer of this direction by someone who wishes `wish` (RFC 3264 6.1).
    #[must_use]
    pub fn answer(self, wish: Self) -> Self {
        Self::of(wish.sends() && self.receives(), wish.receives() && self.sends())
    }
}

impl Sdp {
    /// Reads a body; the first audio stream counts. `None` when there is no usable one.
    #[must_use]
    pub fn parse(body: &[u8]) -> Option<Self> {
        Self::parse_as(body, Known::Nothing)
    }

    /// The same of a phone that knows SRTP by the suite of [`crate::srtp::SUITE`].
    #[must_use]
    pub fn parse_secure(body: &[u8]) -> Option<Self> {
        Self::parse_as(body, Known::Keys)
    }

    /// The same of a phone that agrees on keys by DTLS, and by nothing else.
    #[must_use]
    pub fn parse_shaking(body: &[u8]) -> Option<Self> {
        let sdp = Self::parse_as(body, Known::Dtls)?;
        let text = std::str::from_utf8(body).ok()?;
        let shake = parse_shake(text)?;
        Some(Self { shake: Some(shake), ..sdp })
    }

    fn parse_as(body: &[u8], known: Known) -> Option<Self> {
        let is_secure = known == Known::Keys;
        let text = std::str::from_utf8(body).ok()?;
        let mut origin = None;
        let (mut session_ip, mut media_ip) = (None, None);
        let (mut session_way, mut media_way) = (Direction::SendRecv, None);
        let (mut audio, mut rtcp, mut ptime_ms, mut key) = (None, None, None, None);
        let mut in_media = false;
        for line in text.lines() {
            let (kind, value) = line.trim_end().split_once('=')?;
            match kind {
                "m" if audio.is_some() => break,
                "m" => {
                    in_media = true;
                    // What was said of a stream that is passed over holds for no other.
                    (media_ip, media_way, rtcp, ptime_ms) = (None, None, None, None);
                    key = None;
                    audio = parse_media(value, known);
                }
                "o" => origin = parse_origin(value),
                "c" if in_media => media_ip = parse_connection(value),
                "c" => session_ip = parse_connection(value),
                "a" => match parse_direction(value) {
                    Some(way) if in_media => media_way = Some(way),
                    Some(way) => session_way = way,
                    None if value.starts_with("ptime:") => ptime_ms = value.get(6..)?.parse().ok(),
                    None if value.starts_with("crypto:") => key = key.or(parse_key(value)),
                    None if value.starts_with("rtcp:") => rtcp = value.get(5..).map(str::to_owned),
                    None => {}
                },
                _ => {}
            }
        }
        let (port, savp, formats) = audio?;
        let key = key.filter(|_| is_secure).map(|(tag, text)| Key { tag, savp, text });
        if savp && key.is_none() {
            return None;
        }
        let ip = media_ip.or(session_ip)?;
        let (session, version) = origin?;
        Some(Self {
            session,
            version,
            rtp: SocketAddr::new(ip, port),
            rtcp: rtcp.and_then(|text| parse_rtcp(&text, ip)),
            formats,
            ptime_ms,
            direction: media_way.unwrap_or(session_way),
            key,
            shake: None,
        })
    }

    /// The body.
    #[must_use]
    pub fn to_text(&self) -> String {
        let (ip, port) = (self.rtp.ip(), self.rtp.port());
        let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
        let formats = self.formats.iter().map(u8::to_string).collect::<Vec<_>>().join(" ");
        let mut text = format!(
            "v=0\r\no=phone {} {} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
             m=audio {port} {} {formats}\r\na=rtpmap:0 PCMU/8000\r\n",
            self.session,
            self.version,
            match (&self.shake, &self.key) {
                (Some(_), _) => "UDP/TLS/RTP/SAVPF",
                (None, Some(Key { savp: true, .. })) => "RTP/SAVP",
                (None, _) => "RTP/AVP",
            },
        );
        if let Some(Key { tag, text: key, .. }) = &self.key {
            text.push_str(&format!("a=crypto:{tag} {} inline:{key}\r\n", crate::srtp::SUITE));
        }
        if let Some(shake) = &self.shake {
            let Shake { fingerprint, setup, ufrag, pwd, .. } = shake;
            text.push_str(&format!(
                "a=fingerprint:{fingerprint}\r\na=setup:{setup}\r\na=ice-ufrag:{ufrag}\r\n\
                 a=ice-pwd:{pwd}\r\na=rtcp-mux\r\na=mid:0\r\n\
                 a=candidate:1 1 udp 2130706431 {ip} {port} typ host\r\n\
                 a=candidate:2 1 udp 1 203.0.113.250 9 typ host\r\n"
            ));
        }
        if let Some(ptime) = self.ptime_ms {
            text.push_str(&format!("a=ptime:{ptime}\r\n"));
        }
        if let Some(rtcp) = self.rtcp {
            text.push_str(&format!("a=rtcp:{} IN {family} {}\r\n", rtcp.port(), rtcp.ip()));
        }
        text.push_str(&format!("a={}\r\n", self.direction.name()));
        text
    }

    /// Where RTCP goes: the attribute's address, else the next port (RFC 3550 11).
    #[must_use]
    pub fn rtcp_target(&self) -> SocketAddr {
        let next = SocketAddr::new(self.rtp.ip(), self.rtp.port().saturating_add(1));
        self.rtcp.unwrap_or(next)
    }
}

fn parse_origin(value: &str) -> Option<(u64, u64)> {
    let mut words = value.split(' ').skip(1);
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

fn parse_connection(value: &str) -> Option<IpAddr> {
    value.split(' ').nth(2)?.split('/').next()?.parse().ok()
}

/// What a phone knows of encryption.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    Nothing,
    Keys,
    Dtls,
}

/// The first of each attribute, and all of them: a browser goes without none.
fn parse_shake(text: &str) -> Option<Shake> {
    let value = |name: &str| text.lines().find_map(|line| line.trim_end().strip_prefix(name));
    let has = |line: &str| text.lines().any(|one| one.trim_end() == line);
    let has_candidate = value("a=candidate:").is_some_and(|c| c.ends_with(" typ host"));
    if !has("a=rtcp-mux") || !has_candidate {
        return None;
    }
    Some(Shake {
        fingerprint: value("a=fingerprint:")?.to_owned(),
        setup: value("a=setup:")?.to_owned(),
        ufrag: value("a=ice-ufrag:")?.to_owned(),
        pwd: value("a=ice-pwd:")?.to_owned(),
        is_lite: has("a=ice-lite"),
    })
}

fn parse_media(value: &str, known: Known) -> Option<(u16, bool, Vec<u8>)> {
    let mut words = value.split(' ');
    if words.next()? != "audio" {
        return None;
    }
    let port = words.next()?.split('/').next()?.parse().ok()?;
    // What is encrypted a phone without keys cannot take, and says so: an answer has the offer's
    // transport.
    let savp = match words.next()? {
        "RTP/AVP" | "RTP/AVPF" if known != Known::Dtls => false,
        "RTP/SAVP" | "RTP/SAVPF" if known == Known::Keys => true,
        "UDP/TLS/RTP/SAVP" | "UDP/TLS/RTP/SAVPF" if known == Known::Dtls => false,
        _ => return None,
    };
    let formats = words.filter_map(|word| word.parse().ok()).collect();
    Some((port, savp, formats))
}

/// `crypto:TAG SUITE inline:KEY...`, of our suite.
fn parse_key(value: &str) -> Option<(u32, String)> {
    let mut words = value.strip_prefix("crypto:")?.split(' ');
    let (tag, suite, key) = (words.next()?.parse().ok()?, words.next()?, words.next()?);
    let key = key.strip_prefix("inline:")?.split('|').next()?;
    (suite == crate::srtp::SUITE).then(|| (tag, key.to_owned()))
}

fn parse_direction(value: &str) -> Option<Direction> {
    [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive]
        .into_iter()
        .find(|way| way.name() == value)
}

fn parse_rtcp(value: &str, ip: IpAddr) -> Option<SocketAddr> {
    let mut words = value.split(' ');
    let port = words.next()?.parse().ok()?;
    let ip = words.nth(2).and_then(|word| word.parse().ok()).unwrap_or(ip);
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back_the_same() {
        let sdp = Sdp {
            session: 12,
            version: 3,
            rtp: "127.0.0.1:40000".parse().unwrap(),
            rtcp: Some("127.0.0.2:40009".parse().unwrap()),
            formats: vec![0, 8],
            ptime_ms: Some(30),
            direction: Direction::SendOnly,
            key: None,
            shake: None,
        };
        assert_eq!(Sdp::parse(sdp.to_text().as_bytes()), Some(sdp.clone()));
        for savp in [false, true] {
            let key = Some(Key { tag: 4, savp, text: "abc+/".to_owned() });
            let keyed = Sdp { key, ..sdp.clone() };
            let text = keyed.to_text();
            assert_eq!(Sdp::parse_secure(text.as_bytes()), Some(keyed));
            let plain = Sdp::parse(text.as_bytes());
            assert_eq!(plain, (!savp).then(|| sdp.clone()), "it knows no keys");
        }
    }

    #[test]
    fn media_lines_win_over_session_lines_and_video_is_passed_over() {
        let body = "v=0\r\no=x 1 2 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.1\r\na=inactive\r\n\
            t=0 0\r\nm=video 9 RTP/AVP 99\r\nm=audio 4000/1 RTP/AVP 0 101\r\nc=IN IP4 10.0.0.2\r\n\
            a=recvonly\r\nm=audio 5000 RTP/AVP 8\r\nc=IN IP4 10.0.0.3\r\n";
        let sdp = Sdp::parse(body.as_bytes()).unwrap();
        assert_eq!(sdp.rtp, "10.0.0.2:4000".parse().unwrap());
        assert_eq!(sdp.rtcp_target(), "10.0.0.2:4001".parse().unwrap());
        assert_eq!(sdp.formats, vec![0, 101]);
        assert_eq!(sdp.direction, Direction::RecvOnly);
        let encrypted = body.replace("audio 4000/1 RTP/AVP", "audio 4 RTP/SAVPF");
        let second = Sdp::parse(encrypted.as_bytes()).unwrap();
        assert_eq!(second.rtp, "10.0.0.3:5000".parse().unwrap());
        assert_eq!(second.direction, Direction::Inactive);
        assert_eq!(Sdp::parse(encrypted.replace("m=audio 5", "m=text 5").as_bytes()), None);
        assert_eq!(Sdp::parse(b"v=0\r\n"), None);
        assert_eq!(Sdp::parse(b"\xff"), None);
    }

    #[test]
    fn answers_mirror_offers() {
        use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
        for (offer, wish, answer) in [
            (SendRecv, SendRecv, SendRecv),
            (SendOnly, SendRecv, RecvOnly),
            (RecvOnly, SendRecv, SendOnly),
            (Inactive, SendRecv, Inactive),
            (SendRecv, SendOnly, SendOnly),
            (SendOnly, SendOnly, Inactive),
        ] {
            assert_eq!(offer.answer(wish), answer, "{offer:?} {wish:?}");
        }
    }
}
