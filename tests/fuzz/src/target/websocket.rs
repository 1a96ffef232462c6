//! SIP over WebSocket: any split says the same, what is no upgrade comes out as it went in, and
//! what our client frames our server reads.

use std::sync::Arc;

use strowger_link::{Key, Tick};
use strowger_stream::{Pipe, Times};

use super::framing::{Seen, items};
use super::{Choices, Target};
use crate::{Dice, Shape};

pub(super) static TARGET: Target = Target { name: "websocket", run, seeds, words: WORDS };

const WORDS: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\nHost: h\r\n",
    b"Upgrade: websocket\r\n",
    b"Connection: Upgrade\r\n",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    b"Sec-WebSocket-Version: 13\r\n",
    b"Sec-WebSocket-Protocol: sip\r\n",
    b"\r\n\r\n",
    b"\x81\x80\0\0\0\0",
    b"\x01\x81\0\0\0\0a",
    b"\x80\x81\0\0\0\0b",
    b"\x82\xfe\0\x7e\0\0\0\0",
    b"\x89\x80\0\0\0\0",
    b"\x8a\x80\0\0\0\0",
    b"\x88\x82\0\0\0\0\x03\xe8",
    b"\x81\xff\0\0\0\0\0\x01\0\0",
];
const UPGRADE: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n\r\n";
const NOW: Tick = Tick(1);

fn server() -> Pipe {
    Pipe::ws_server(Arc::default(), Times::default(), NOW)
}

fn client(seed: u8) -> Pipe {
    let chance = [Key([seed; 16]), Key([seed ^ 0xff; 16])];
    let made = Pipe::ws_client("h", "/", chance, Times::default(), NOW);
    assert!(made.is_ok());
    made.unwrap_or_else(|_| server())
}

/// The first byte says how the stream is cut, the second whether an upgrade stands before it.
fn run(input: &[u8]) -> Shape {
    let mut shape = Shape::new();
    let mut choices = Choices(input);
    let (cut, upgraded) = (usize::from(choices.u8()), choices.u8() & 1 == 1);
    let mut stream = if upgraded { UPGRADE.to_vec() } else { Vec::new() };
    stream.extend_from_slice(choices.0);
    let (mut one, mut two) = (server(), server());
    let (whole, answers) = items(&mut one, &stream, stream.len());
    let (pieces, again) = items(&mut two, &stream, cut);
    shape.count("items", whole.len()).note("open", &one.is_open());
    shape.print("over", &one.over());
    assert_eq!((one.over(), &answers), (two.over(), &again));
    if pieces.iter().any(|seen| matches!(seen, Seen::Foreign(_))) {
        assert_eq!((foreign(&whole), foreign(&pieces)), (stream.clone(), stream));
    } else {
        assert_eq!(whole, pieces);
    }
    for seen in &whole {
        shape.kind("item", seen);
    }
    both_ways(&mut Choices(input));
    shape
}

/// All foreign bytes; there is nothing else beside them.
fn foreign(seen: &[Seen]) -> Vec<u8> {
    let parts = seen.iter().flat_map(|seen| match seen {
        Seen::Foreign(bytes) => bytes.clone(),
        Seen::Message(_) | Seen::KeepAlive | Seen::Pong | Seen::Refused(..) | Seen::Over(_) => {
            Vec::new()
        }
    });
    parts.collect()
}

/// Messages of any bytes and lengths arrive as they were sent.
fn both_ways(choices: &mut Choices<'_>) {
    let (cut, seed) = (usize::from(choices.u8()), choices.u8());
    let (mut client, mut server) = (client(seed), server());
    let mut expect = Vec::new();
    for _ in 0..4 {
        let len = usize::from(choices.u8()) * usize::from(choices.u8() % 4 + 1);
        let message = choices.bytes(len);
        if message.is_empty() || message.iter().all(|b| matches!(b, b'\r' | b'\n')) {
            continue;
        }
        assert_eq!(client.send(message, NOW), Ok(()));
        expect.push(Seen::Message(message.to_vec()));
    }
    let asked = client.poll_transmit().unwrap_or_default().to_vec();
    client.sent(asked.len(), NOW);
    let (nothing, answer) = items(&mut server, &asked, cut);
    // What waited for the answer goes with it.
    let (silent, frames) = items(&mut client, &answer, cut);
    assert_eq!((nothing, silent), (Vec::new(), Vec::new()));
    assert_eq!(items(&mut server, &frames, cut).0, expect);
}

/// Frames as a client makes them, behind an upgrade.
fn seeds(dice: &mut Dice) -> Vec<Vec<u8>> {
    let mut pipe = client(dice.byte());
    let mut answering = server();
    let asked = pipe.poll_transmit().unwrap_or_default().to_vec();
    pipe.sent(asked.len(), NOW);
    let (_, answer) = items(&mut answering, &asked, asked.len());
    items(&mut pipe, &answer, answer.len());
    let _ = pipe.send(b"OPTIONS sip:a SIP/2.0\r\n\r\n", NOW);
    let _ = pipe.ping(NOW);
    let _ = pipe.send(&[0xff; 200], NOW);
    pipe.close(NOW);
    let frames = pipe.poll_transmit().unwrap_or_default();
    let parts = b"\x01\x81\0\0\0\0a\x89\x80\0\0\0\0\x80\x81\0\0\0\0b";
    vec![
        [&[9, 1][..], frames].concat(),
        [&[3, 1][..], parts].concat(),
        [&[5, 0][..], UPGRADE].concat(),
        b"\x04\x00GET /api HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(),
        b"\x04\x01\x81\x81\0\0\0\0\xff".to_vec(),
    ]
}
