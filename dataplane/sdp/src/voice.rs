//! Which voice codecs two parties may choose between: a description without the others.
//!
//! Only lines of audio by RTP are looked at, and of them only formats that carry voice: events,
//! comfort noise and redundancy stay. What a format that went away said of itself (`a=rtpmap`,
//! `a=fmtp`, `a=rtcp-fb`) goes with it; every other byte stays as it is.

use crate::attribute::{Attribute, RtpMap};
use crate::description::{Description, Media};
use crate::line::Line;
use crate::terms::{MediaKind, Target};
use crate::text::{fields, number};

/// Formats that are no voice of their own.
const NO_VOICE: [&str; 8] =
    ["telephone-event", "tone", "CN", "red", "ulpfec", "flexfec", "parityfec", "rtx"];
const G711: [&str; 2] = ["PCMU", "PCMA"];
/// Attributes that begin with the format that they are about.
const OF_FORMAT: [&str; 3] = ["rtpmap", "fmtp", "rtcp-fb"];

/// What becomes of G.711.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Plain {
    /// It stays.
    Kept,
    /// It goes where there is another voice.
    Spare,
    /// It goes.
    Barred,
}

/// Which voice codecs stay, and in which order.
#[derive(Clone, Copy, Debug)]
pub struct VoiceRule<'a> {
    /// Names of those that stay, the best first; empty = all, as they stand.
    pub order: &'a [&'a str],
    /// Only the first of them stays.
    pub single: bool,
    /// What becomes of G.711.
    pub plain: Plain,
}

/// A line of audio is left without a voice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoVoice;

impl Description<'_> {
    /// The body by a rule; `None` when there is nothing to change.
    ///
    /// # Errors
    /// [`NoVoice`].
    pub fn with_voices(&self, rule: &VoiceRule<'_>) -> Result<Option<Vec<u8>>, NoVoice> {
        let mut out = Vec::new();
        let mut is_changed = false;
        self.session_lines().iter().for_each(|line| out.extend_from_slice(line.raw()));
        for media in self.media() {
            match voices(&media, rule)? {
                Some(formats) => {
                    is_changed = true;
                    write_media(&mut out, &media, &formats);
                }
                None => media.lines().iter().for_each(|line| out.extend_from_slice(line.raw())),
            }
        }
        out.extend_from_slice(self.tail());
        Ok(is_changed.then_some(out))
    }
}

/// The formats of a media line by a rule, in their order; `None` when they stay as they are.
fn voices<'a>(
    media: &Media<'_, 'a>,
    rule: &VoiceRule<'_>,
) -> Result<Option<Vec<&'a [u8]>>, NoVoice> {
    let terms = media.terms();
    let is_voice_line = terms.kind == MediaKind::Audio && terms.transport.is_rtp();
    if !is_voice_line || media.target() == Target::Rejected {
        return Ok(None);
    }
    let all: Vec<(&[u8], Option<RtpMap<'_>>)> = media
        .formats()
        .map(|format| (format, number(format).and_then(|payload| media.rtpmap(payload))))
        .collect();
    let (mut voices, others): (Vec<_>, Vec<_>) = all.iter().partition(|(_, map)| is_voice(map));
    if !rule.order.is_empty() {
        voices.retain(|(_, map)| rank(map, rule.order).is_some());
        voices.sort_by_key(|(_, map)| rank(map, rule.order));
    }
    let is_spare = voices.iter().any(|(_, map)| rank(map, &G711).is_none());
    if rule.plain == Plain::Barred || (rule.plain == Plain::Spare && is_spare) {
        voices.retain(|(_, map)| rank(map, &G711).is_none());
    }
    if rule.single {
        voices.truncate(1);
    }
    if voices.is_empty() {
        return Err(NoVoice);
    }
    let kept: Vec<&[u8]> = voices.iter().chain(&others).map(|(format, _)| *format).collect();
    let is_same = kept.len() == all.len() && {
        let before = all.iter().filter(|(_, map)| is_voice(map)).map(|(format, _)| *format);
        before.eq(voices.iter().map(|(format, _)| *format))
    };
    Ok((!is_same).then_some(kept))
}

fn is_voice(map: &Option<RtpMap<'_>>) -> bool {
    rank(map, &NO_VOICE).is_none()
}

/// The place of a format's name among `names`.
fn rank(map: &Option<RtpMap<'_>>, names: &[&str]) -> Option<usize> {
    let encoding = map.as_ref()?.encoding;
    names.iter().position(|name| encoding.eq_ignore_ascii_case(name.as_bytes()))
}

fn write_media(out: &mut Vec<u8>, media: &Media<'_, '_>, formats: &[&[u8]]) {
    for (index, line) in media.lines().iter().enumerate() {
        if index == 0 {
            out.extend_from_slice(b"m=");
            let head = fields(line.value()).take(3).chain(formats.iter().copied());
            for (place, word) in head.enumerate() {
                out.extend_from_slice(if place == 0 { b"" } else { b" " });
                out.extend_from_slice(word);
            }
            out.extend_from_slice(line.end());
        } else if is_of(line, formats) {
            out.extend_from_slice(line.raw());
        }
    }
}

/// Whether a line is about one of these formats, or about none.
fn is_of(line: &Line<'_>, formats: &[&[u8]]) -> bool {
    let attribute = Attribute::parse(line.value());
    if line.kind() != b'a' || !OF_FORMAT.iter().any(|name| attribute.is(name)) {
        return true;
    }
    let format = attribute.value.and_then(|value| fields(value).next());
    format.is_none_or(|format| format == b"*" || formats.contains(&format))
}

#[cfg(test)]
mod tests {
    use super::{NoVoice, Plain, VoiceRule};
    use crate::Description;

    const HEAD: &str = "v=0\no=- 1 1 IN IP4 192.0.2.1\nc=IN IP4 192.0.2.1\n";
    const OFFER: &str = "m=audio 4000/2 RTP/AVP  0 8 18 111 101 13\na=rtpmap:0 PCMU/8000\n\
        a=rtpmap:111 opus/48000/2\na=fmtp:111 useinbandfec=1\na=fmtp:18 annexb=no\n\
        a=rtpmap:101 telephone-event/8000\na=rtcp-fb:* nack\na=rtcp-fb:18 nack\na=own:18\n";

    fn by(rule: VoiceRule<'_>, media: &str) -> Result<Option<String>, NoVoice> {
        let body = format!("{HEAD}{media}").replace('\n', "\r\n");
        let description = Description::parse(body.as_bytes()).unwrap();
        let out = description.with_voices(&rule)?;
        let text = |out: Vec<u8>| String::from_utf8(out).unwrap().replace("\r\n", "\n");
        Ok(out.map(|out| text(out).strip_prefix(HEAD).unwrap().to_owned()))
    }

    const ALL: VoiceRule<'static> = VoiceRule { order: &[], single: false, plain: Plain::Kept };

    #[test]
    fn codecs_stand_in_the_order_of_the_rule_and_others_go_with_all_they_say() {
        let rule = VoiceRule { order: &["g729", "PCMA"], ..ALL };
        let expected = "m=audio 4000/2 RTP/AVP 18 8 101 13\na=fmtp:18 annexb=no\n\
            a=rtpmap:101 telephone-event/8000\na=rtcp-fb:* nack\na=rtcp-fb:18 nack\na=own:18\n";
        assert_eq!(by(rule, OFFER), Ok(Some(expected.into())));
        assert_eq!(by(ALL, OFFER), Ok(None), "byte by byte");
        let as_it_is = VoiceRule { order: &["PCMU", "PCMA", "G729", "opus", "GSM"], ..ALL };
        assert_eq!(by(as_it_is, OFFER), Ok(None));
        assert_eq!(by(VoiceRule { order: &["GSM"], ..ALL }, OFFER), Err(NoVoice));
    }

    /// The formats that are left.
    fn formats(rule: VoiceRule<'_>, media: &str) -> Result<String, NoVoice> {
        let text = by(rule, media)?.unwrap_or_else(|| media.to_owned());
        Ok(text.lines().next().unwrap().split("AVP").nth(1).unwrap().trim().to_owned())
    }

    #[test]
    fn g711_goes_where_it_is_barred_or_spare() {
        let of = |plain, media| formats(VoiceRule { plain, ..ALL }, media);
        assert_eq!(of(Plain::Barred, OFFER).as_deref(), Ok("18 111 101 13"));
        assert_eq!(of(Plain::Spare, OFFER).as_deref(), Ok("18 111 101 13"));
        let plain = "m=audio 4 RTP/AVP 8 0 101\na=rtpmap:101 telephone-event/8000\n";
        assert_eq!(of(Plain::Spare, plain).as_deref(), Ok("8 0 101"));
        assert_eq!(of(Plain::Barred, plain), Err(NoVoice));
    }

    #[test]
    fn one_voice_is_left_where_one_is_wanted_and_what_is_no_voice_stays() {
        let single = VoiceRule { single: true, ..ALL };
        assert_eq!(formats(single, OFFER).as_deref(), Ok("0 101 13"));
        let best = VoiceRule { order: &["opus", "PCMU"], ..single };
        assert_eq!(formats(best, OFFER).as_deref(), Ok("111 101 13"));
    }

    #[test]
    fn only_lines_of_audio_in_use_are_looked_at() {
        let rule = VoiceRule { order: &["GSM"], ..ALL };
        for media in [
            "m=video 4 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
            "m=image 4 udptl t38\n",
            "m=audio 0 RTP/AVP 0\n",
            "m=audio 4 TCP/MRCPv2 1\n",
        ] {
            assert_eq!(by(rule, media), Ok(None), "{media}");
        }
        assert_eq!(by(rule, "m=audio 4 RTP/SAVP 0\n"), Err(NoVoice));
    }
}
