//! SIP over TCP: however a stream is cut into reads it says the same, and what is a message is one
//! by its own Content-Length.

use strowger_link::Tick;
use strowger_sip::{Index, Message};
use strowger_stream::limits::RECEIVED_LEN_MAX;
use strowger_stream::{Fault, Item, Pipe, Refusal, Role, Times};

use super::{Choices, Target};
use crate::{Dice, Shape};

pub(super) static TARGET: Target = Target { name: "framing", run, seeds, words: WORDS };

const WORDS: &[&[u8]] = &[
    b"\r\n",
    b"\r\n\r\n",
    b"INVITE sip:a@b SIP/2.0\r\n",
    b"SIP/2.0 200 OK\r\n",
    b"Content-Length: 0\r\n\r\n",
    b"Content-Length: ",
    b"\r\nl: 3\r\n\r\nabc",
    b"l:\r\n 1\r\n",
    b"\r\n ",
    b"99999999999",
    b"\n",
    b"\r",
];
const NOW: Tick = Tick(1);

/// An item that outlives its pipe's next step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Seen {
    Message(Vec<u8>),
    KeepAlive,
    Pong,
    Refused(Vec<u8>, Refusal),
    Foreign(Vec<u8>),
    Over(Fault),
}

/// What a pipe makes of a stream that comes in reads of `cut` bytes, and what it sends.
pub(super) fn items(pipe: &mut Pipe, stream: &[u8], cut: usize) -> (Vec<Seen>, Vec<u8>) {
    let (mut seen, mut sent) = (Vec::new(), Vec::new());
    for read in stream.chunks(cut.clamp(1, RECEIVED_LEN_MAX)) {
        let over = pipe.over();
        let taken = pipe.handle_received(read, NOW);
        assert_eq!(taken.err(), over, "only what is over refuses a read");
        for _ in 0..=4 * stream.len() + 4 {
            let Some(item) = pipe.poll_message() else { break };
            seen.push(match item {
                Item::Message(bytes) => Seen::Message(bytes.to_vec()),
                Item::KeepAlive => Seen::KeepAlive,
                Item::Pong => Seen::Pong,
                Item::Refused { head, refusal } => Seen::Refused(head.to_vec(), refusal),
                Item::Foreign(bytes) => Seen::Foreign(bytes.to_vec()),
                Item::Over(fault) => Seen::Over(fault),
            });
        }
        assert_eq!(pipe.poll_message(), None, "items without end");
        while let Some(bytes) = pipe.poll_transmit() {
            let n = bytes.len();
            sent.extend_from_slice(bytes);
            pipe.sent(n, NOW);
        }
    }
    (seen, sent)
}

fn run(input: &[u8]) -> Shape {
    let mut shape = Shape::new();
    let mut choices = Choices(input);
    let cut = usize::from(choices.u8());
    let stream = choices.0;
    let server = || Pipe::tcp(Role::Server, Times::default(), NOW);
    let (mut one, mut two) = (server(), server());
    let (whole, answers) = items(&mut one, stream, stream.len());
    let (pieces, again) = items(&mut two, stream, cut);
    assert_eq!((&whole, &answers), (&pieces, &again));
    assert_eq!(one.over(), two.over());
    shape.count("items", whole.len());
    let mut rest = stream;
    for seen in &whole {
        match seen {
            Seen::Message(bytes) => {
                // Empty lines are all that may stand between.
                let at = rest.windows(bytes.len().max(1)).position(|window| window == bytes);
                let at = at.unwrap_or(rest.len());
                assert!(rest[..at].iter().all(|b| matches!(b, b'\r' | b'\n')), "bytes got lost");
                rest = &rest[at + bytes.len()..];
                agrees(bytes, &mut shape);
            }
            Seen::Refused(head, refusal) => {
                shape.kind("refusal", refusal);
                assert!(rest.windows(head.len().max(1)).any(|window| window == head));
            }
            Seen::Over(fault) => {
                shape.kind("fault", fault);
            }
            Seen::KeepAlive => {
                shape.note("ping", &true);
            }
            Seen::Pong | Seen::Foreign(_) => assert!(whole.is_empty(), "nobody asked: {seen:?}"),
        }
    }
    shape
}

/// What the framing took for a message, the parser takes for one of that length, if for any.
fn agrees(bytes: &[u8], shape: &mut Shape) {
    let mut index = Index::new();
    let parsed = Message::parse(bytes, &mut index);
    shape.note("parsed", &parsed.as_ref().err().map(std::mem::discriminant));
    if let Ok(message) = parsed {
        let body = bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4);
        let body = body.and_then(|at| bytes.get(at..)).unwrap_or_default();
        assert_eq!(message.body(), body, "another length: {}", bytes.escape_ascii());
    }
}

fn seeds(_: &mut Dice) -> Vec<Vec<u8>> {
    let streams: [&[u8]; 6] = [
        b"\x07OPTIONS sip:a SIP/2.0\r\nl: 0\r\n\r\n\r\n\r\nOPTIONS sip:b SIP/2.0\r\nl: 2\r\n\r\nxy",
        b"\x01\r\nSIP/2.0 200 OK\r\nContent-Length:\r\n 3\r\n\r\nabc\r\n",
        b"\x03INVITE sip:a SIP/2.0\r\nVia: x\r\n\r\nOPTIONS sip:b SIP/2.0\r\n\r\n",
        b"\x05INVITE sip:a SIP/2.0\r\nl: 1\r\nl: 2\r\n\r\nab",
        b"\x02INVITE sip:a SIP/2.0\r\nContent-Length: 70000\r\n\r\n",
        b"\x20\x16\x03\x01",
    ];
    streams.map(<[u8]>::to_vec).to_vec()
}
