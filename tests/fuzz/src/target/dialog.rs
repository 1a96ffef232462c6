//! Both ends of a dialog, made of any INVITE a peer may send: what either writes is valid, finds
//! the other end and no other, is taken in order, and goes the way of the other's route set.

use std::net::SocketAddr;

use strowger_sip::build::{OwnVia, Reply, Writer};
use strowger_sip::dialog::{Dialog, End, Order};
use strowger_sip::{Header, Index, Message, Method, Status};

use super::endpoint::STEP_END;
use super::{Choices, Target};
use crate::{Dice, Shape};

pub(super) static TARGET: Target = Target { name: "dialog", run, seeds, words: WORDS };

/// The most steps of one input.
const STEPS_MAX: usize = 64;
/// The most requests under way.
const SENT_MAX: usize = 16;
const METHODS: [Method; 6] =
    [Method::Invite, Method::Ack, Method::Bye, Method::Info, Method::Update, Method::Options];

const WORDS: &[&[u8]] = &[
    b"\x1e",
    b"Record-Route: <sip:p1.example.com;lr>\r\n",
    b"Record-Route: <sip:strict@192.0.2.7;method=INVITE?a=b>\r\n",
    b"Contact: <sip:a@192.0.2.9:5070;transport=udp;ob>\r\n",
    b"Contact: \"A, B\" <sips:a@[2001:db8::1]?Subject=x>;q=0.2\r\n",
    b"From: sip:a@h;x=y;tag=1\r\n",
    b";lr",
    b";tag=",
    b"<tel:+1>",
    b",\r\n ",
    b"?Route=%3Csip:x%3E",
];

/// One end with what it heard.
struct Side {
    dialog: Dialog,
    address: SocketAddr,
    /// The highest CSeq taken of the other.
    heard: Option<u32>,
}

struct Pair {
    sides: [Side; 2],
    /// Requests under way: who sent them, their number, and their bytes.
    sent: Vec<(usize, u32, Vec<u8>)>,
    branches: u32,
    shape: Shape,
}

fn run(input: &[u8]) -> Shape {
    let at = input.iter().position(|byte| *byte == STEP_END).unwrap_or(input.len());
    let (request, steps) = input.split_at(at);
    let mut index = Index::new();
    let mut shape = Shape::new();
    let parsed = Message::parse(request, &mut index).and_then(|message| {
        message.validate()?;
        Ok(message)
    });
    let request = match parsed {
        Ok(request) if request.method() == Some(Method::Invite) => request,
        Ok(_) => return shape,
        Err(refusal) => {
            shape.print("refused", &refusal);
            return shape;
        }
    };
    let Some(mut pair) = Pair::new(request, &mut shape) else { return shape };
    let mut choices = Choices(steps.get(1..).unwrap_or_default());
    for _ in 0..STEPS_MAX.min(choices.0.len()) {
        pair.step(choices.u8());
    }
    pair.shape
}

impl Pair {
    /// The dialog of a request that is answered, at both ends.
    fn new(request: Message<'_>, shape: &mut Shape) -> Option<Pair> {
        let to_tag = request.to().is_ok_and(|to| to.tag().is_some());
        let callee = Dialog::of_request(request, b"callee", false);
        shape.print("callee", &callee.as_ref().map(drop)).note("tagged", &to_tag);
        let callee = callee.ok().filter(|_| !to_tag)?;
        let mut caller = calling(request, &callee)?;
        let response = answer(request)?;
        let mut index = Index::new();
        let response = Message::parse(&response, &mut index).ok()?;
        assert_eq!(response.validate(), Ok(()));
        assert_eq!(caller.establish(response), Ok(()));
        let mut reversed = callee.route_set.clone();
        reversed.reverse();
        assert_eq!(caller.route_set, reversed, "the two ends go different ways");
        assert_eq!(*caller.target, *b"sip:callee@192.0.2.2");
        assert!(caller.owns_response(response));
        shape.count("routes", callee.route_set.len());
        let heard = [None, callee.remote_seq];
        let mut sides = [caller, callee].into_iter().zip(heard).zip([1_u8, 2]);
        let mut side = || {
            let ((dialog, heard), octet) = sides.next()?;
            Some(Side { dialog, heard, address: ([192, 0, 2, octet], 5_060).into() })
        };
        let sides = [side()?, side()?];
        Some(Pair { sides, sent: Vec::new(), branches: 0, shape: std::mem::take(shape) })
    }

    fn step(&mut self, choice: u8) {
        let (side, which) = (usize::from(choice & 1), usize::from(choice >> 3));
        match choice >> 1 & 3 {
            0 | 1 => self.send(side, METHODS[which % METHODS.len()]),
            2 => self.deliver(which),
            _ => self.freshen(side, which),
        }
    }

    fn send(&mut self, from: usize, method: Method) {
        if self.sent.len() == SENT_MAX {
            return;
        }
        let Side { dialog, address, .. } = &mut self.sides[from];
        let before = dialog.local_seq;
        let cseq = dialog.next_seq();
        assert!(cseq == before + 1 || before == u32::MAX);
        self.branches += 1;
        let branch = format!("z9hG4bK{}", self.branches);
        let via = OwnVia { transport: "UDP", sent_by: *address, branch: branch.as_bytes() };
        let mut out = Vec::new();
        let built = dialog.request(&mut out, method, cseq, 70, via).finish(None);
        self.shape.print("built", &built).note("method", &method);
        let Ok(()) = built else { return };
        let mut index = Index::new();
        let message = Message::parse(&out, &mut index);
        let valid = message.and_then(|message| {
            message.validate()?;
            Ok(message)
        });
        // A number behind 2^31 is the one thing that makes it invalid.
        let Ok(message) = valid else {
            return assert!(cseq > i32::MAX as u32, "{valid:?} {}", out.escape_ascii());
        };
        assert_eq!(message.request_uri(), Some(&*dialog.request_uri()));
        assert_eq!(message.cseq().map(|cseq| cseq.number), Ok(cseq));
        let to = &self.sides[1 - from].dialog;
        assert!(to.owns_request(message), "the other end does not know {}", out.escape_ascii());
        let own = &self.sides[from].dialog;
        assert!(!own.owns_request(message) || own.local.tag == own.remote.tag);
        self.forged(from, &out);
        self.sent.push((from, cseq, out));
    }

    /// With another Call-ID it belongs to nobody.
    fn forged(&self, from: usize, request: &[u8]) {
        let needle = b"\r\nCall-ID: ";
        let Some(at) = request.windows(needle.len()).position(|part| part == needle) else {
            return;
        };
        let mut forged = request.to_vec();
        forged.insert(at + needle.len(), b'x');
        let mut index = Index::new();
        let Ok(message) = Message::parse(&forged, &mut index) else { return };
        assert!(!self.sides[1 - from].dialog.owns_request(message));
    }

    /// One of the requests under way arrives, perhaps late.
    fn deliver(&mut self, which: usize) {
        if self.sent.is_empty() {
            return;
        }
        let (from, cseq, bytes) = self.sent.swap_remove(which % self.sent.len());
        let to = &mut self.sides[1 - from];
        let in_order = to.heard.is_none_or(|heard| cseq > heard);
        let order = to.dialog.order(cseq);
        assert_eq!(order == Order::InOrder, in_order, "{cseq} after {:?}", to.heard);
        to.heard = to.heard.max(Some(cseq));
        assert_eq!(to.dialog.remote_seq, to.heard);
        self.shape.note("order", &in_order).note("empty", &bytes.is_empty());
    }

    /// A side moves, and the other hears of it.
    fn freshen(&mut self, side: usize, which: usize) {
        let contact = format!("<sip:moved{which}@192.0.2.{which};x={which}>");
        let text = format!("SIP/2.0 200 OK\r\nContact: {contact}\r\n\r\n");
        let mut index = Index::new();
        if let Ok(message) = Message::parse(text.as_bytes(), &mut index) {
            let other = &mut self.sides[1 - side].dialog;
            other.refresh(message);
            assert_eq!(*other.target, *contact.trim_matches(['<', '>']).as_bytes());
        }
    }
}

/// The caller's end before the answer.
fn calling(request: Message<'_>, callee: &Dialog) -> Option<Dialog> {
    Some(Dialog {
        call_id: callee.call_id.clone(),
        local: callee.remote.clone(),
        remote: End { address: callee.local.address.clone(), tag: None },
        local_seq: request.cseq().ok()?.number,
        remote_seq: None,
        target: request.request_uri()?.into(),
        route_set: Vec::new(),
        secure: false,
    })
}

fn answer(request: Message<'_>) -> Option<Vec<u8>> {
    let reply = Reply {
        status: Status::of(200),
        phrase: &[],
        to_tag: Some(b"callee"),
        source: ([192, 0, 2, 1], 5_060).into(),
    };
    let mut out = Vec::new();
    let mut writer = Writer::response(&mut out, request, reply);
    writer.copy(request, Header::RecordRoute);
    writer.field(Header::Contact, b"<sip:callee@192.0.2.2>");
    writer.finish(None).ok()?;
    Some(out)
}

/// Calls through no proxy, loose ones and strict ones, with requests both ways.
fn seeds(_: &mut Dice) -> Vec<Vec<u8>> {
    let steps = [0, 8, 1, 17, 4, 12, 6, 7, 0, 1, 4, 4];
    let ways = [
        "",
        "Record-Route: <sip:p2.example.com;lr>, <sip:p1.example.com;lr>\r\n",
        "Record-Route: <sip:p1.example.com>\r\nRecord-Route: \"x, y\" <sip:192.0.2.7;lr>\r\n",
    ];
    let contacts = ["<sip:1001@192.0.2.1>", "\"A\" <sip:a@[2001:db8::1];x=y>;q=1", "sip:a@h"];
    let text = |way: &str, contact: &str| {
        format!(
            "INVITE sip:4420@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKi\r\n\
             From: \"A \u{e9}\" <sip:1001@192.0.2.1>;tag=p\r\nTo: <sip:4420@192.0.2.2>\r\n\
             Call-ID: c@192.0.2.1\r\nCSeq: 7 INVITE\r\nMax-Forwards: 70\r\n\
             Contact: {contact}\r\n{way}\r\n"
        )
    };
    let all = ways.iter().flat_map(|way| contacts.map(|contact| text(way, contact)));
    all.map(|text| [text.as_bytes(), &[STEP_END], &steps].concat()).collect()
}
