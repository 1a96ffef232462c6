//! Descriptions that are ours alone: offers of originated legs, answers for prompts.

use crate::codec::Codec;
use crate::description::{Description, Media};
use crate::direction::Direction;
use crate::keyed::{ICE_LITE, Keyed};
use crate::relay::Place;
use crate::session::{LocalSession, Version, write_connection};
use crate::terms::{MediaKind, Terms, Transport};
use crate::text::append;
use std::net::IpAddr;

/// The audio that we offer, or can answer with.
#[derive(Clone, Copy, Debug)]
pub struct OwnMedia<'a> {
    /// Where we receive it.
    pub place: Place,
    /// Codecs in our order of preference; at least one.
    pub codecs: &'a [Codec<'a>],
    /// Payload type that we offer telephone-event with; an answer takes the offer's. `None`
    /// leaves it out of both.
    pub telephone_event: Option<u8>,
    /// Milliseconds of media in a packet that we would like.
    pub ptime_ms: Option<u16>,
    /// What we do.
    pub direction: Direction,
}

/// What our answer took.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answered<'a> {
    /// Index of the media line that is in use; the others are rejected.
    pub index: usize,
    /// The codec, with the payload type of the offer.
    pub codec: Codec<'a>,
    /// The payload type of telephone-event.
    pub telephone_event: Option<u8>,
    /// The offerer's terms.
    pub terms: Terms,
    /// What we do by our answer.
    pub direction: Direction,
}

/// Why we cannot answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AnswerError {
    /// No audio over plain RTP with a codec of ours: 488 (RFC 3261 section 21.4.26).
    NothingCommon,
}

impl LocalSession {
    /// Our offer of one audio line: the body to send on this leg. Of keys there is what `keyed`
    /// says; without any it is in the clear.
    pub fn offer(&mut self, address: IpAddr, media: &OwnMedia<'_>, keyed: Keyed<'_>) -> &[u8] {
        self.keep(|version| {
            let mut out = head(version, address);
            if keyed.has_ice() {
                out.extend_from_slice(ICE_LITE);
            }
            let formats = media.codecs.iter().map(|codec| codec.payload_type);
            write_media_line(
                &mut out,
                keyed.protocol(false).unwrap_or("RTP/AVP"),
                media.place,
                formats.chain(media.telephone_event),
            );
            write_address(&mut out, address, media.place);
            for codec in media.codecs {
                write_codec(&mut out, codec);
            }
            let clock_hz = media.codecs.first().map_or(8000, |codec| codec.clock_hz);
            write_rest(&mut out, media, media.telephone_event, clock_hz, media.direction);
            keyed.write(&mut out, media.place);
            out
        })
    }

    /// Our answer to an offer: its first audio line over plain RTP that has a codec of ours, the
    /// codec being the first of *theirs* that we know; all other lines are rejected.
    ///
    /// # Errors
    /// [`AnswerError::NothingCommon`]; nothing was kept.
    pub fn answer<'c>(
        &mut self,
        offer: &Description<'_>,
        address: IpAddr,
        media: &OwnMedia<'c>,
    ) -> Result<(&[u8], Answered<'c>), AnswerError> {
        let found = offer.media().enumerate().find_map(|(index, line)| choose(index, &line, media));
        let answered = found.ok_or(AnswerError::NothingCommon)?;
        let body = self.keep(|version| {
            let mut out = head(version, address);
            for (index, line) in offer.media().enumerate() {
                match index == answered.index {
                    true => write_answer(&mut out, address, &line, media, &answered),
                    false => write_rejected(&mut out, &line),
                }
            }
            out
        });
        Ok((body, answered))
    }
}

fn choose<'c>(index: usize, line: &Media<'_, '_>, ours: &OwnMedia<'c>) -> Option<Answered<'c>> {
    let terms = line.terms();
    let fits = terms.kind == MediaKind::Audio && terms.transport == Transport::Rtp;
    if !fits || terms.is_rejected() {
        return None;
    }
    let codec = line.payload_types().find_map(|payload_type| {
        let map = line.rtpmap(payload_type)?;
        let codec = ours.codecs.iter().find(|codec| codec.matches(&map))?;
        Some(Codec { payload_type, ..*codec })
    })?;
    Some(Answered {
        index,
        codec,
        telephone_event: terms.telephone_event.filter(|_| ours.telephone_event.is_some()),
        terms,
        direction: terms.direction.reversed().and(ours.direction),
    })
}

fn write_answer(
    out: &mut Vec<u8>,
    address: IpAddr,
    line: &Media<'_, '_>,
    ours: &OwnMedia<'_>,
    answered: &Answered<'_>,
) {
    let protocol = match line.protocol().eq_ignore_ascii_case(b"RTP/AVPF") {
        true => "RTP/AVPF",
        false => "RTP/AVP",
    };
    let formats = [Some(answered.codec.payload_type), answered.telephone_event];
    write_media_line(out, protocol, ours.place, formats.into_iter().flatten());
    write_address(out, address, ours.place);
    write_codec(out, &answered.codec);
    let clock_hz = answered.codec.clock_hz;
    write_rest(out, ours, answered.telephone_event, clock_hz, answered.direction);
}

fn head(version: Version, address: IpAddr) -> Vec<u8> {
    let mut out = b"v=0\r\n".to_vec();
    version.write_origin(&mut out, address);
    out.extend_from_slice(b"s=-\r\n");
    write_connection(&mut out, address);
    out.extend_from_slice(b"t=0 0\r\n");
    out
}

fn write_media_line(
    out: &mut Vec<u8>,
    protocol: &str,
    place: Place,
    formats: impl Iterator<Item = u8>,
) {
    append(out, format_args!("m=audio {} {protocol}", place.rtp.port()));
    formats.for_each(|format| append(out, format_args!(" {format}")));
    out.extend_from_slice(b"\r\n");
}

fn write_address(out: &mut Vec<u8>, session: IpAddr, place: Place) {
    if place.rtp.ip() != session {
        write_connection(out, place.rtp.ip());
    }
}

fn write_codec(out: &mut Vec<u8>, codec: &Codec<'_>) {
    let Codec { payload_type, encoding, clock_hz, channels, fmtp } = codec;
    append(out, format_args!("a=rtpmap:{payload_type} {encoding}/{clock_hz}"));
    if *channels > 1 {
        append(out, format_args!("/{channels}"));
    }
    out.extend_from_slice(b"\r\n");
    if let Some(fmtp) = fmtp {
        append(out, format_args!("a=fmtp:{payload_type} {fmtp}\r\n"));
    }
}

/// Telephone-event (RFC 4733 section 2.4: events 0 to 15, on the clock of the sound), packet
/// time, direction, RTCP.
fn write_rest(
    out: &mut Vec<u8>,
    ours: &OwnMedia<'_>,
    telephone_event: Option<u8>,
    clock_hz: u32,
    direction: Direction,
) {
    if let Some(event) = telephone_event {
        append(out, format_args!("a=rtpmap:{event} telephone-event/{clock_hz}\r\n"));
        append(out, format_args!("a=fmtp:{event} 0-15\r\n"));
    }
    if let Some(ptime_ms) = ours.ptime_ms {
        append(out, format_args!("a=ptime:{ptime_ms}\r\n"));
    }
    append(out, format_args!("a={}\r\n", direction.name()));
    if ours.place.rtp.port().checked_add(1) != Some(ours.place.rtcp.port()) {
        append(out, format_args!("a=rtcp:{}\r\n", ours.place.rtcp.port()));
    }
}

/// A rejected line repeats kind, protocol and formats with port 0 (RFC 3264 section 6).
fn write_rejected(out: &mut Vec<u8>, line: &Media<'_, '_>) {
    out.extend_from_slice(b"m=");
    out.extend_from_slice(line.kind());
    out.extend_from_slice(b" 0 ");
    out.extend_from_slice(line.protocol());
    line.formats().for_each(|format| {
        out.push(b' ');
        out.extend_from_slice(format);
    });
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::{AnswerError, Keyed, OwnMedia};
    use crate::{Codec, Description, Direction, LocalSession, Place};

    fn place(rtcp: u16) -> Place {
        Place {
            rtp: "203.0.113.1:16384".parse().unwrap(),
            rtcp: format!("203.0.113.1:{rtcp}").parse().unwrap(),
        }
    }

    fn ours(codecs: &'static [Codec<'static>]) -> OwnMedia<'static> {
        OwnMedia {
            place: place(16385),
            codecs,
            telephone_event: Some(101),
            ptime_ms: Some(20),
            direction: Direction::SendRecv,
        }
    }

    const G711: &[Codec<'static>] = &[Codec::PCMA, Codec::PCMU];
    const OPUS: Codec<'static> = Codec {
        payload_type: 111,
        encoding: "opus",
        clock_hz: 48_000,
        channels: 2,
        fmtp: Some("useinbandfec=1"),
    };

    fn answer(media_lines: &str, codecs: &'static [Codec<'static>]) -> Result<String, AnswerError> {
        let offer = format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n{media_lines}"
        );
        let offer = Description::parse(offer.as_bytes()).unwrap();
        let mut session = LocalSession::new(9);
        let address = "203.0.113.1".parse().unwrap();
        let (body, _) = session.answer(&offer, address, &ours(codecs))?;
        Description::parse(body).unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        let head = "v=0\r\no=- 9 9 IN IP4 203.0.113.1\r\ns=-\r\nc=IN IP4 203.0.113.1\r\nt=0 0\r\n";
        Ok(text.strip_prefix(head).unwrap().replace("\r\n", "\n"))
    }

    #[test]
    fn an_offer_of_ours() {
        let mut session = LocalSession::new(9);
        let media = OwnMedia { place: place(20000), ..ours(&[Codec::PCMA, OPUS]) };
        let body = session.offer("198.51.100.1".parse().unwrap(), &media, Keyed::Plain);
        let expected = "v=0\n\
            o=- 9 9 IN IP4 198.51.100.1\n\
            s=-\n\
            c=IN IP4 198.51.100.1\n\
            t=0 0\n\
            m=audio 16384 RTP/AVP 8 111 101\n\
            c=IN IP4 203.0.113.1\n\
            a=rtpmap:8 PCMA/8000\n\
            a=rtpmap:111 opus/48000/2\n\
            a=fmtp:111 useinbandfec=1\n\
            a=rtpmap:101 telephone-event/8000\n\
            a=fmtp:101 0-15\n\
            a=ptime:20\n\
            a=sendrecv\n\
            a=rtcp:20000\n";
        assert_eq!(str::from_utf8(body).unwrap().replace("\r\n", "\n"), expected);
        assert!(Description::parse(body).is_ok());
        let keyed = Keyed::Ours { lines: b"a=crypto:1 X inline:y\r\n", is_required: true };
        let body = session.offer("198.51.100.1".parse().unwrap(), &media, keyed);
        let keyed = expected.replace("RTP/AVP", "RTP/SAVP").replace("o=- 9 9", "o=- 9 10")
            + "a=crypto:1 X inline:y\n";
        assert_eq!(str::from_utf8(body).unwrap().replace("\r\n", "\n"), keyed);
    }

    #[test]
    fn an_answer_takes_the_first_of_their_codecs_that_we_know() {
        let offered = "m=audio 4000 RTP/AVP 18 96 8 98\r\n\
            a=rtpmap:96 pcmu/8000\r\na=rtpmap:98 telephone-event/8000\r\n";
        let expected = "m=audio 16384 RTP/AVP 96 98\n\
            a=rtpmap:96 PCMU/8000\n\
            a=rtpmap:98 telephone-event/8000\n\
            a=fmtp:98 0-15\n\
            a=ptime:20\n\
            a=sendrecv\n";
        assert_eq!(answer(offered, G711).as_deref(), Ok(expected));
    }

    #[test]
    fn an_answer_to_a_hold_receives_only() {
        let held = "m=audio 4000 RTP/AVP 8\r\na=sendonly\r\n";
        let expected = "m=audio 16384 RTP/AVP 8\na=rtpmap:8 PCMA/8000\na=ptime:20\na=recvonly\n";
        assert_eq!(answer(held, G711).as_deref(), Ok(expected));
    }

    #[test]
    fn all_other_media_lines_are_rejected() {
        let offered = "m=video 4002 RTP/AVP 96 97\r\nm=audio 4004 RTP/SAVP 8\r\n\
            m=audio 4000 RTP/AVPF 0\r\nm=audio 4008 RTP/AVP 0\r\n";
        let text = answer(offered, G711).unwrap();
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with("m=")).collect();
        assert_eq!(
            lines,
            [
                "m=video 0 RTP/AVP 96 97",
                "m=audio 0 RTP/SAVP 8",
                "m=audio 16384 RTP/AVPF 0",
                "m=audio 0 RTP/AVP 0",
            ]
        );
    }

    #[test]
    fn nothing_in_common_is_an_error_and_keeps_nothing() {
        for offered in [
            "m=audio 4000 RTP/AVP 18\r\n",
            "m=audio 0 RTP/AVP 8\r\n",
            "",
            "m=video 1 RTP/AVP 8\r\n",
        ] {
            assert_eq!(answer(offered, G711), Err(AnswerError::NothingCommon), "{offered}");
        }
    }
}
