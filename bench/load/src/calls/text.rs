//! The messages of calls.

use std::net::SocketAddr;

use crate::message::View;
use crate::template::{Hole, Template, decimal, hex};

/// What is dialled.
#[derive(Clone, Debug)]
pub(crate) enum Dial {
    /// This prefix and eight digits of the call.
    Numbered(String),
    /// This prefix and five digits below so many.
    Users(String, u32),
}

impl Dial {
    /// Writes what call `slot` of generation `gen` dials.
    fn write(&self, out: &mut Vec<u8>, name: Name) {
        match self {
            Dial::Numbered(prefix) => {
                out.extend_from_slice(prefix.as_bytes());
                decimal(out, name.slot.into(), 6);
                decimal(out, (name.age % 100).into(), 2);
            }
            Dial::Users(prefix, count) => {
                out.extend_from_slice(prefix.as_bytes());
                decimal(out, (name.slot % (*count).max(1)).into(), 5);
            }
        }
    }
}

/// A call: its place, and how often the place was used before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Name {
    pub(crate) slot: u32,
    pub(crate) age: u32,
}

/// Hexadecimal digits of a [`Name`] on the wire, the run before it.
pub(crate) const ID_DIGITS: usize = 20;

impl Name {
    /// Writes run, place and age.
    pub(crate) fn write(self, run: u32, out: &mut Vec<u8>) {
        hex(out, run.into(), 8);
        hex(out, self.slot.into(), 6);
        hex(out, self.age.into(), 6);
    }

    /// Reads it from the beginning of `text`; `None` = not ours, or of another run.
    pub(crate) fn read(run: u32, text: &[u8]) -> Option<Name> {
        let of = |from: usize, to: usize| crate::template::read_hex(text.get(from..to)?);
        if of(0, 8)? != u64::from(run) {
            return None;
        }
        let (slot, age) = (of(8, 14)?, of(14, ID_DIGITS)?);
        Some(Name { slot: u32::try_from(slot).ok()?, age: u32::try_from(age).ok()? })
    }
}

/// The requests of one near address.
pub(crate) struct Requests {
    invite: Template,
    /// For an INVITE that was refused, outside and inside of a dialog.
    ack_refusal: Template,
    ack_reinvite: Template,
    ack: Template,
    bye: Template,
    options: Template,
    reinvite: Template,
}

/// What requests are made of.
pub(crate) struct Parties<'a> {
    pub(crate) server: SocketAddr,
    pub(crate) domain: &'a str,
    pub(crate) caller: &'a str,
    /// Line of a message's length and the body: that of the caller.
    pub(crate) sdp: Option<SocketAddr>,
    /// The caller's audio is encrypted.
    pub(crate) srtp: bool,
}

/// A request inside of a dialog.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Bye,
    Options,
    Reinvite,
}

/// What a dialog has learned of its other end.
#[derive(Default)]
pub(crate) struct Remote {
    pub(crate) to: Vec<u8>,
    pub(crate) target: Vec<u8>,
    pub(crate) routes: Vec<u8>,
}

impl Remote {
    /// From the response that made the dialog (RFC 3261 12.1.2).
    pub(crate) fn learn(&mut self, view: &View<'_>) {
        self.to.clear();
        self.to.extend_from_slice(view.to);
        self.target.clear();
        self.target.extend_from_slice(view.target());
        self.routes.clear();
        for line in view.record_routes.iter().rev() {
            let value = line.iter().position(|byte| *byte == b':').map_or(0, |at| at + 1);
            self.routes.extend_from_slice(b"Route:");
            self.routes.extend_from_slice(line.get(value..).unwrap_or_default());
            self.routes.extend_from_slice(b"\r\n");
        }
    }
}

impl Requests {
    pub(crate) fn new(near: SocketAddr, parties: &Parties<'_>) -> Requests {
        let Parties { server, domain, caller, sdp, srtp } = parties;
        let body = with_length(sdp.map(|at| describe(at, *srtp)));
        let contact = format!("Contact: <sip:{caller}@{near}>\n");
        let request = |method: &str, uri: &str, branch: &str, to: &str, rest: &str| {
            Template::new(&format!(
                "{method} {uri} SIP/2.0\n\
                 Via: SIP/2.0/UDP {near};branch=z9hG4bK{{id}}{branch}{{cseq}};rport\n\
                 Max-Forwards: 70\n{{routes}}\
                 From: <sip:{caller}@{domain}>;tag=n{{id}}\n\
                 To: {to}\n\
                 Call-ID: {{id}}@load\n\
                 CSeq: {{cseq}} {method}\n{rest}"
            ))
        };
        let (outer, none) = (format!("sip:{{number}}@{server}"), with_length(None));
        let first = format!("<sip:{{number}}@{domain}>");
        let offer = format!("{contact}{body}");
        Requests {
            invite: request("INVITE", &outer, "i", &first, &offer),
            ack_refusal: request("ACK", &outer, "i", "{to}", &none),
            ack_reinvite: request("ACK", "{target}", "i", "{to}", &none),
            ack: request("ACK", "{target}", "a", "{to}", &none),
            bye: request("BYE", "{target}", "b", "{to}", &none),
            options: request("OPTIONS", "{target}", "o", "{to}", &none),
            reinvite: request("INVITE", "{target}", "i", "{to}", &offer),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "`common` fills the others")]
    pub(crate) fn invite(&self, out: &mut Vec<u8>, run: u32, name: Name, dial: &Dial, cseq: u32) {
        self.invite.write(out, |hole, out| match hole {
            Hole::Number => dial.write(out, name),
            other => common(other, out, run, name, cseq),
        });
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "`common` fills the others")]
    /// Acknowledges a refusal whose To was `to`.
    pub(crate) fn ack_refusal(
        &self,
        out: &mut Vec<u8>,
        (run, name, cseq): (u32, Name, u32),
        dial: &Dial,
        to: &[u8],
    ) {
        self.ack_refusal.write(out, |hole, out| match hole {
            Hole::Number => dial.write(out, name),
            Hole::To => out.extend_from_slice(to),
            other => common(other, out, run, name, cseq),
        });
    }

    /// Acknowledges an answer.
    pub(crate) fn ack(&self, out: &mut Vec<u8>, id: (u32, Name, u32), remote: &Remote) {
        within(&self.ack, out, id, remote);
    }

    /// Acknowledges the refusal of a re-INVITE.
    pub(crate) fn ack_reinvite(&self, out: &mut Vec<u8>, id: (u32, Name, u32), remote: &Remote) {
        within(&self.ack_reinvite, out, id, remote);
    }

    /// A request inside of the dialog.
    pub(crate) fn inside(
        &self,
        out: &mut Vec<u8>,
        kind: Kind,
        id: (u32, Name, u32),
        remote: &Remote,
    ) {
        let template = match kind {
            Kind::Bye => &self.bye,
            Kind::Options => &self.options,
            Kind::Reinvite => &self.reinvite,
        };
        within(template, out, id, remote);
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "`common` fills the others")]
fn within(
    template: &Template,
    out: &mut Vec<u8>,
    (run, name, cseq): (u32, Name, u32),
    remote: &Remote,
) {
    template.write(out, |hole, out| match hole {
        Hole::Target => out.extend_from_slice(&remote.target),
        Hole::Routes => out.extend_from_slice(&remote.routes),
        Hole::To => out.extend_from_slice(&remote.to),
        other => common(other, out, run, name, cseq),
    });
}

#[expect(clippy::wildcard_enum_match_arm, reason = "other holes stay empty here")]
fn common(hole: Hole, out: &mut Vec<u8>, run: u32, name: Name, cseq: u32) {
    match hole {
        Hole::Id => name.write(run, out),
        Hole::Cseq => decimal(out, cseq.into(), 1),
        _ => {}
    }
}

/// The description of an end that sends and hears audio at `media`, encrypted or not.
pub(crate) fn describe(media: SocketAddr, srtp: bool) -> String {
    let (ip, port) = (media.ip(), media.port());
    let family = if media.is_ipv4() { "IP4" } else { "IP6" };
    let (profile, crypto) = match srtp {
        true => ("RTP/SAVP", crate::secret::crypto()),
        false => ("RTP/AVP", String::new()),
    };
    format!(
        "v=0\no=load 1 1 IN {family} {ip}\ns=-\nc=IN {family} {ip}\nt=0 0\n\
         m=audio {port} {profile} 0\na=rtpmap:0 PCMU/8000\n{crypto}a=ptime:20\na=sendrecv\n"
    )
}

/// The lines that end a message's head, and its body.
fn with_length(body: Option<String>) -> String {
    match body {
        None => "Content-Length: 0\n\n".into(),
        Some(body) => {
            let bytes = body.len() + body.matches('\n').count();
            format!("Content-Type: application/sdp\nContent-Length: {bytes}\n\n{body}")
        }
    }
}

/// What the far end answers with.
pub(crate) struct Answers {
    contact: Vec<u8>,
    body: Vec<u8>,
    none: Vec<u8>,
}

impl Answers {
    pub(crate) fn new(far: SocketAddr, sdp: Option<SocketAddr>) -> Answers {
        let lines = |text: String| text.replace('\n', "\r\n").into_bytes();
        Answers {
            contact: lines(format!("Contact: <sip:far@{far}>\n")),
            body: lines(with_length(sdp.map(|at| describe(at, false)))),
            none: lines(with_length(None)),
        }
    }

    /// Writes a response to `request`; a body only where `with_body`. `tag` is for a To without
    /// one.
    pub(crate) fn write(
        &self,
        out: &mut Vec<u8>,
        request: &View<'_>,
        line: &str,
        tag: &[u8],
        with_body: bool,
    ) {
        let mut push = |pieces: &[&[u8]]| pieces.iter().for_each(|p| out.extend_from_slice(p));
        push(&[b"SIP/2.0 ", line.as_bytes(), b"\r\n"]);
        request.vias.iter().for_each(|via| push(&[via, b"\r\n"]));
        request.record_routes.iter().for_each(|route| push(&[route, b"\r\n"]));
        push(&[b"From: ", request.from, b"\r\nTo: ", request.to]);
        if request.tag_of_to().is_none() && !tag.is_empty() {
            push(&[b";tag=", tag]);
        }
        push(&[b"\r\nCall-ID: ", request.call_id, b"\r\nCSeq: ", request.cseq_text, b"\r\n"]);
        push(&[&self.contact, if with_body { &self.body } else { &self.none }]);
    }
}

/// Where the other side wants its audio: the last `c=` line's address and the first `m=` line's
/// port.
pub(crate) fn audio_of(body: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(body).ok()?;
    let (mut ip, mut port) = (None, None);
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("c=IN IP") {
            ip = rest.split(' ').nth(1)?.trim().parse().ok();
        } else if let Some(rest) = line.strip_prefix("m=audio ") {
            port = rest.split(' ').next()?.parse().ok();
        }
    }
    Some(SocketAddr::new(ip?, port?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEAR: SocketAddr =
        SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2)), 5060);

    fn requests() -> Requests {
        let (server, sdp) = (NEAR, Some(NEAR));
        let parties = Parties { server, domain: "bench", caller: "caller", sdp, srtp: false };
        Requests::new(NEAR, &parties)
    }

    #[test]
    fn an_invite_is_whole_and_names_its_call() {
        let name = Name { slot: 77, age: 3 };
        let mut out = Vec::new();
        requests().invite(&mut out, 9, name, &Dial::Numbered("44".into()), 1);
        let view = View::read(&out).unwrap();
        assert_eq!(view.user(), b"4400007703");
        assert_eq!(Name::read(9, view.call_id), Some(name));
        assert_eq!(Name::read(8, view.call_id), None);
        assert_eq!(audio_of(view.body), Some(NEAR));
        let length = format!("Content-Length: {}\r\n", view.body.len());
        assert!(String::from_utf8(out.clone()).unwrap().contains(&length));
    }

    #[test]
    fn a_dialog_goes_the_way_back() {
        let ok =
            b"SIP/2.0 200 OK\nRecord-Route: <sip:a;lr>\nRecord-Route: <sip:b;lr>\nTo: x;tag=1\n\
            Call-ID: c\nCSeq: 1 INVITE\nContact: <sip:t@h>\n\n";
        let mut remote = Remote::default();
        remote.learn(&View::read(ok).unwrap());
        let mut out = Vec::new();
        requests().inside(&mut out, Kind::Bye, (9, Name { slot: 1, age: 1 }, 2), &remote);
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("BYE sip:t@h SIP/2.0\r\n"), "{text}");
        assert!(text.contains("Route: <sip:b;lr>\r\nRoute: <sip:a;lr>\r\n"), "{text}");
    }
}
