//! What a load must see of a SIP message: a few lines found in one pass, nothing checked beyond.
//!
//! It is no parser of the product's and no full one: folded lines are not expected of a server.

/// Most Via lines, and most Record-Route lines, that are kept.
const LINES_MAX: usize = 8;

/// Methods that a load sends or gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Method {
    Invite,
    Ack,
    Bye,
    Cancel,
    Options,
    Register,
    Other,
}

impl Method {
    fn read(text: &[u8]) -> Method {
        match text {
            b"INVITE" => Method::Invite,
            b"ACK" => Method::Ack,
            b"BYE" => Method::Bye,
            b"CANCEL" => Method::Cancel,
            b"OPTIONS" => Method::Options,
            b"REGISTER" => Method::Register,
            _ => Method::Other,
        }
    }
}

/// Lines of one kind, whole, without their ends.
#[derive(Clone, Copy, Default)]
pub(crate) struct Lines<'a> {
    lines: [&'a [u8]; LINES_MAX],
    count: usize,
}

impl<'a> Lines<'a> {
    fn push(&mut self, line: &'a [u8]) {
        if let Some(place) = self.lines.get_mut(self.count) {
            *place = line;
            self.count += 1;
        }
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        self.lines.into_iter().take(self.count)
    }
}

/// A message as far as a load cares. Values are without blanks around them.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    /// Of the request, or of CSeq.
    pub(crate) method: Method,
    /// 0 = a request.
    pub(crate) status: u16,
    /// Request-URI.
    pub(crate) uri: &'a [u8],
    pub(crate) vias: Lines<'a>,
    pub(crate) record_routes: Lines<'a>,
    pub(crate) from: &'a [u8],
    pub(crate) to: &'a [u8],
    pub(crate) call_id: &'a [u8],
    /// Its number.
    pub(crate) cseq: u32,
    /// Its whole value.
    pub(crate) cseq_text: &'a [u8],
    pub(crate) contact: &'a [u8],
    /// WWW- or Proxy-Authenticate.
    pub(crate) challenge: Option<&'a [u8]>,
    /// Whether credentials are there.
    pub(crate) authorized: bool,
    pub(crate) body: &'a [u8],
}

impl<'a> View<'a> {
    /// Reads a datagram; `None` = no SIP message, or one without the lines every message has.
    pub(crate) fn read(data: &'a [u8]) -> Option<View<'a>> {
        let (first, mut rest) = line(data)?;
        let mut view = View::first(first)?;
        loop {
            let (one, after) = line(rest)?;
            rest = after;
            if one.is_empty() {
                break;
            }
            view.header(one);
        }
        view.body = rest;
        let digits = view.cseq_text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, method) = view.cseq_text.split_at(digits);
        view.cseq = crate::template::read_decimal(number).and_then(|n| n.try_into().ok())?;
        if view.status != 0 {
            view.method = Method::read(method.trim_ascii());
        }
        (!view.call_id.is_empty() && !view.to.is_empty()).then_some(view)
    }

    fn first(line: &'a [u8]) -> Option<View<'a>> {
        let mut view = View {
            method: Method::Other,
            status: 0,
            uri: &[],
            vias: Lines::default(),
            record_routes: Lines::default(),
            from: &[],
            to: &[],
            call_id: &[],
            cseq: 0,
            cseq_text: &[],
            contact: &[],
            challenge: None,
            authorized: false,
            body: &[],
        };
        if let Some(status) = line.strip_prefix(b"SIP/2.0 ") {
            view.status = crate::template::read_decimal(status.get(..3)?)?.try_into().ok()?;
        } else {
            let mut words = line.split(|byte| *byte == b' ');
            view.method = Method::read(words.next()?);
            view.uri = words.next()?;
            (words.next()? == b"SIP/2.0").then_some(())?;
        }
        Some(view)
    }

    fn header(&mut self, line: &'a [u8]) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let name = name.trim_ascii_end();
        let is = |long: &str, short: &str| {
            name.eq_ignore_ascii_case(long.as_bytes())
                || name.eq_ignore_ascii_case(short.as_bytes())
        };
        // By its first letter, as most lines are none of these.
        match name.first().map(u8::to_ascii_lowercase) {
            Some(b'v') if is("Via", "v") => self.vias.push(line),
            Some(b'r') if is("Record-Route", "-") => self.record_routes.push(line),
            Some(b'f') if is("From", "f") => self.from = value,
            Some(b't') if is("To", "t") => self.to = value,
            Some(b'i') if is("i", "i") => self.call_id = value,
            Some(b'm') if is("m", "m") => self.contact = value,
            Some(b'c') if is("Call-ID", "-") => self.call_id = value,
            Some(b'c') if is("CSeq", "-") => self.cseq_text = value,
            Some(b'c') if is("Contact", "-") => self.contact = value,
            Some(b'w') if is("WWW-Authenticate", "-") => self.challenge = Some(value),
            Some(b'p') if is("Proxy-Authenticate", "-") => self.challenge = Some(value),
            Some(b'a' | b'p') if is("Authorization", "Proxy-Authorization") => {
                self.authorized = true;
            }
            Some(_) | None => {}
        }
    }

    /// The tag of To, if it has one.
    pub(crate) fn tag_of_to(&self) -> Option<&'a [u8]> {
        tag(self.to)
    }

    /// The URI of Contact.
    pub(crate) fn target(&self) -> &'a [u8] {
        let text = self.contact;
        let from = text.iter().position(|byte| *byte == b'<').map_or(0, |at| at + 1);
        let inner = text.get(from..).unwrap_or_default();
        let end = inner.iter().position(|byte| *byte == b'>' || (from == 0 && *byte == b';'));
        inner.get(..end.unwrap_or(inner.len())).unwrap_or_default()
    }

    /// The user part of the Request-URI.
    pub(crate) fn user(&self) -> &'a [u8] {
        let from = self.uri.iter().position(|byte| *byte == b':').map_or(0, |at| at + 1);
        let inner = self.uri.get(from..).unwrap_or_default();
        let end = inner.iter().position(|byte| matches!(byte, b'@' | b';'));
        inner.get(..end.unwrap_or(0)).unwrap_or_default()
    }
}

/// A line without its end, and what follows it.
fn line(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = data.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = data.split_at(end);
    Some((line.strip_suffix(b"\r").unwrap_or(line), rest.get(1..).unwrap_or_default()))
}

/// The value of parameter `tag`, behind the address.
fn tag(value: &[u8]) -> Option<&[u8]> {
    let from = value.iter().position(|byte| *byte == b'>').unwrap_or(0);
    let rest = value.get(from..)?;
    let at = rest.windows(5).position(|five| five.eq_ignore_ascii_case(b";tag="))?;
    let tag = rest.get(at + 5..)?;
    let end = tag.iter().position(|byte| matches!(byte, b';' | b' ' | b'>'));
    tag.get(..end.unwrap_or(tag.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &[u8] = b"SIP/2.0 200 OK\r\n\
        Via: SIP/2.0/UDP 127.0.0.1:5;branch=z9hG4bKa\r\n\
        v: SIP/2.0/UDP 127.0.0.1:6;branch=z9hG4bKb\r\n\
        Record-Route: <sip:127.0.0.1;lr>\r\n\
        From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>;tag=f2;x=y\r\nCall-ID: abc@l\r\n\
        CSeq: 17 INVITE\r\nm: <sip:b@127.0.0.1:7;ob>\r\nContent-Length: 3\r\n\r\nv=0";

    #[test]
    fn a_response_is_read() {
        let view = View::read(OK).unwrap();
        assert_eq!((view.status, view.method, view.cseq), (200, Method::Invite, 17));
        assert_eq!(view.vias.iter().count(), 2);
        assert_eq!(view.record_routes.iter().next().unwrap(), b"Record-Route: <sip:127.0.0.1;lr>");
        assert_eq!((view.call_id, view.tag_of_to()), (&b"abc@l"[..], Some(&b"f2"[..])));
        assert_eq!((view.target(), view.body), (&b"sip:b@127.0.0.1:7;ob"[..], &b"v=0"[..]));
    }

    #[test]
    fn a_request_is_read() {
        let text = b"BYE sip:44123@127.0.0.1:9;x SIP/2.0\nFrom: a;tag=1\nTo: sip:b;tag=2\n\
            i: q\nCSeq: 2 BYE\nAuthorization: Digest\n\n";
        let view = View::read(text).unwrap();
        assert_eq!((view.status, view.method), (0, Method::Bye));
        assert_eq!((view.user(), view.tag_of_to()), (&b"44123"[..], Some(&b"2"[..])));
        assert!(view.authorized);
    }

    #[test]
    fn cut_messages_are_none() {
        let head = OK.len() - 3;
        for end in 0..head {
            assert!(View::read(&OK[..end]).is_none(), "{end}");
        }
        assert!(View::read(&OK[..head]).is_some());
    }
}
