//! A peer that says exactly what a test tells it, message by message: for what the phones of this
//! suite do not speak.

use std::cell::{Cell, RefCell};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use strowger_phone::message::Message;

use crate::talk::SOON;

/// A session description of nobody's making: the address says whose it is.
pub(crate) fn sdp(at: SocketAddr) -> String {
    format!(
        "v=0\r\no=- 7 7 IN IP4 {ip}\r\ns=by hand\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=x-own:kept\r\n",
        ip = at.ip(),
        port = at.port(),
    )
}

/// One peer on a port of its own.
pub(crate) struct Wire {
    socket: UdpSocket,
    server: SocketAddr,
    /// What came and nobody has waited for.
    heard: RefCell<Vec<Message>>,
    /// What was taken already: it comes again when an answer of ours is late.
    taken: RefCell<Vec<Vec<u8>>>,
    branch: Cell<u32>,
}

/// A dialog as its caller has it.
pub(crate) struct Dialing {
    pub(crate) invite: Message,
    cseq: Cell<u32>,
}

impl Wire {
    pub(crate) fn new(server: SocketAddr) -> Wire {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let (heard, taken) = (RefCell::default(), RefCell::default());
        Wire { socket, server, heard, taken, branch: Cell::new(0) }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    fn via(&self) -> String {
        self.branch.set(self.branch.get() + 1);
        let at = self.addr();
        format!("SIP/2.0/UDP {at};branch=z9hG4bKwire{}x{}", at.port(), self.branch.get())
    }

    fn send(&self, message: &Message) {
        self.socket.send_to(&message.to_bytes(), self.server).unwrap();
    }

    /// Calls `user`, with these fields and a description.
    pub(crate) fn invite(&self, user: &str, fields: &[(&str, &str)]) -> Dialing {
        self.invite_uri(&format!("sip:{user}@{}", self.server), fields)
    }

    /// Calls `user` with a description of the test's own.
    pub(crate) fn invite_with(&self, user: &str, body: &str) -> Dialing {
        self.invite_uri_with(&format!("sip:{user}@{}", self.server), &[], body)
    }

    /// Calls a whole URI.
    pub(crate) fn invite_uri(&self, uri: &str, fields: &[(&str, &str)]) -> Dialing {
        self.invite_uri_with(uri, fields, &sdp(self.addr()))
    }

    fn invite_uri_with(&self, uri: &str, fields: &[(&str, &str)], body: &str) -> Dialing {
        let at = self.addr();
        let mut invite = Message::request("INVITE", uri);
        invite.push("Via", &self.via());
        invite.push("Max-Forwards", "70");
        invite.push("From", &format!("<sip:33@{at}>;tag=w{}", self.branch.get()));
        invite.push("To", &format!("<{uri}>"));
        invite.push("Call-ID", &format!("wire-{}-{}", at.port(), self.branch.get()));
        invite.push("CSeq", "1 INVITE");
        invite.push("Contact", &format!("<sip:33@{at}>"));
        for (name, value) in fields {
            invite.push(name, value);
        }
        invite.set_body("application/sdp", body.as_bytes());
        self.send(&invite);
        Dialing { invite, cseq: Cell::new(1) }
    }

    /// Sends an INVITE once more, as a new transaction, with this field.
    pub(crate) fn invite_again(&self, before: &Dialing, field: (&str, &str)) -> Dialing {
        let mut invite = before.invite.clone();
        let number = before.cseq.get() + 1;
        invite.set("Via", &self.via());
        invite.set("CSeq", &format!("{number} INVITE"));
        invite.push(field.0, field.1);
        self.send(&invite);
        Dialing { invite, cseq: Cell::new(number) }
    }

    /// A request of the caller inside the dialog that `response` made, or its ACK.
    pub(crate) fn within(
        &self,
        dialing: &Dialing,
        response: &Message,
        method: &str,
        fields: &[(&str, &str)],
    ) {
        self.within_with(dialing, response, method, fields, "");
    }

    /// As [`Wire::within`], with a description unless that is empty.
    pub(crate) fn within_with(
        &self,
        dialing: &Dialing,
        response: &Message,
        method: &str,
        fields: &[(&str, &str)],
        body: &str,
    ) {
        let target = response.header("Contact").map_or_else(
            || dialing.invite.uri().to_owned(),
            |contact| strowger_phone::message::address_uri(contact).to_owned(),
        );
        let mut request = Message::request(method, &target);
        // The ACK of a refusal belongs to the INVITE's own transaction.
        let refused = response.code().is_some_and(|code| code >= 300);
        let via = match response.via() {
            Some(via) if method == "ACK" && refused => via.to_owned(),
            Some(_) | None => self.via(),
        };
        request.push("Via", &via);
        request.push("Max-Forwards", "70");
        request.push("From", dialing.invite.header("From").unwrap());
        request.push("To", response.header("To").unwrap());
        request.push("Call-ID", dialing.invite.header("Call-ID").unwrap());
        let invited = response.cseq().unwrap().0;
        if method != "ACK" {
            dialing.cseq.set(dialing.cseq.get() + 1);
        }
        let number = if method == "ACK" { invited } else { dialing.cseq.get() };
        request.push("CSeq", &format!("{number} {method}"));
        for (name, value) in fields {
            request.push(name, value);
        }
        if !body.is_empty() {
            request.set_body("application/sdp", body.as_bytes());
        }
        self.send(&request);
    }

    /// A request of the called side inside the dialog of `invite`, or its ACK, with a description
    /// unless that is empty.
    pub(crate) fn back(&self, invite: &Message, (method, cseq): (&str, u32), body: &str) {
        let target = strowger_phone::message::address_uri(invite.header("Contact").unwrap());
        let mut request = Message::request(method, target);
        request.push("Via", &self.via());
        request.push("Max-Forwards", "70");
        let own = invite.header("To").unwrap();
        request.push("From", &format!("{own};tag=p{}", self.addr().port()));
        request.push("To", invite.header("From").unwrap());
        request.push("Call-ID", invite.header("Call-ID").unwrap());
        request.push("CSeq", &format!("{cseq} {method}"));
        request.push("Contact", &format!("<sip:peer@{}>", self.addr()));
        if !body.is_empty() {
            request.set_body("application/sdp", body.as_bytes());
        }
        self.send(&request);
    }

    /// Answers a request, in the dialog that is tagged with our port.
    pub(crate) fn respond(
        &self,
        request: &Message,
        code: u16,
        fields: &[(&str, &str)],
        body: Option<&str>,
    ) {
        let at = self.addr();
        let mut response = Message::response(code, request, Some(&format!("p{}", at.port())));
        response.push("Contact", &format!("<sip:peer@{at}>"));
        for (name, value) in fields {
            response.push(name, value);
        }
        if let Some(body) = body {
            response.set_body("application/sdp", body.as_bytes());
        }
        self.send(&response);
    }

    /// The next message that fits; others wait. What comes again is passed over.
    #[track_caller]
    pub(crate) fn wait(&self, what: &str, within: Duration) -> Message {
        self.find(what, within).unwrap_or_else(|| {
            let rest: Vec<String> = self.heard.borrow().iter().map(Message::summary).collect();
            panic!("no {what} came, but {rest:?}")
        })
    }

    /// As [`Wire::wait`], and soon.
    #[track_caller]
    pub(crate) fn expect(&self, what: &str) -> Message {
        self.wait(what, SOON)
    }

    /// Nothing that fits comes for so long.
    pub(crate) fn hears_no(&self, what: &str, within: Duration) -> bool {
        self.find(what, within).is_none()
    }

    fn find(&self, what: &str, within: Duration) -> Option<Message> {
        let deadline = Instant::now() + within;
        loop {
            self.listen();
            let mut heard = self.heard.borrow_mut();
            if let Some(at) = heard.iter().position(|message| is(message, what)) {
                return Some(heard.remove(at));
            }
            if Instant::now() >= deadline {
                return None;
            }
        }
    }

    fn listen(&self) {
        let mut buffer = vec![0; 65_535];
        let Ok((length, _)) = self.socket.recv_from(&mut buffer) else { return };
        let bytes = buffer[..length].to_vec();
        let mut taken = self.taken.borrow_mut();
        if !taken.contains(&bytes) {
            self.heard.borrow_mut().extend(Message::parse(&bytes));
            taken.push(bytes);
        }
    }
}

/// Whether a message is `INVITE`, or a response `200 INVITE`.
fn is(message: &Message, what: &str) -> bool {
    match (message.code(), what.split_once(' ')) {
        (Some(code), Some((wanted, method))) => {
            wanted == code.to_string() && message.cseq().is_some_and(|(_, of)| of == method)
        }
        (None, None) => message.method() == what,
        (Some(_), None) | (None, Some(_)) => false,
    }
}
