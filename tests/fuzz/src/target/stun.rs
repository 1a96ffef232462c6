//! STUN and the lite side of ICE: a message is whole or none, an answer is one, and nobody chooses
//! where media goes but who has the password.

use std::net::SocketAddr;

use strowger_ice::limits::CHANCE_LEN;
use strowger_ice::{Agent, Credentials, Message, Reply, kind};
use strowger_link::Tick;

use super::{Choices, Target};
use crate::{Dice, Shape};

pub(super) static TARGET: Target = Target {
    name: "stun",
    run,
    seeds,
    words: &[&[0x21, 0x12, 0xa4, 0x42], &[0, 8, 0, 20], &[0x80, 0x28, 0, 4], &[0, 0x25, 0, 0]],
};

const THEIRS: &[u8] = b"theirs";
const ROOM_LEN: usize = 2_048;

fn ours() -> Credentials {
    Credentials::from_chance(&[11; CHANCE_LEN])
}

fn run(input: &[u8]) -> Shape {
    let mut shape = Shape::new();
    let source = SocketAddr::from(([192, 0, 2, 1], 40_000));
    let message = Message::parse(input);
    if let Some(message) = &message {
        let kinds: Vec<u16> = message.attributes().map(|attribute| attribute.kind).collect();
        shape.note("kind", &message.kind()).note("attributes", &kinds.len());
        shape.note("fingerprint", &message.is_fingerprinted());
    }
    let Some(mut agent) = Agent::new(ours(), THEIRS, Tick(0)) else { return shape };
    let is_by = message.is_some_and(|message| message.is_by(ours().pwd()));
    let mut room = input.get(..ROOM_LEN).unwrap_or(input).to_vec();
    let len = room.len();
    room.resize(ROOM_LEN, 0);
    let check = agent.handle(&mut room, len, source, Tick(1));
    shape.print("check", &check);
    assert!(is_by || check.is_none() && agent.chosen().is_none(), "nobody has the password");
    if let Some(check) = check {
        let answer = room.get(..check.len).and_then(Message::parse);
        assert!(answer.is_some_and(|a| a.is_by(ours().pwd()) && a.is_fingerprinted()));
        assert_eq!(check.is_chosen, agent.chosen() == Some(source));
    }
    build(&mut Choices(input));
    shape
}

/// What is built is read as it was built.
fn build(choices: &mut Choices<'_>) {
    let mut room = vec![0; 400];
    let mut reply = Reply::begin(&mut room, kind::BINDING_REQUEST, choices.array());
    let mut built = Vec::new();
    for _ in 0..4 {
        let len = usize::from(choices.u8() & 31);
        let (kind, value) = (choices.u16() & !8 | 0x4000, choices.bytes(len));
        reply.attribute(kind, value);
        built.push((kind, value));
    }
    reply.sign(b"password");
    reply.fingerprint();
    let Some(message) = reply.finish().and_then(|len| Message::parse(room.get(..len)?)) else {
        return assert!(room.is_empty(), "our own message was refused");
    };
    assert!(message.is_by(b"password") && message.is_fingerprinted());
    let read: Vec<_> = message.attributes().map(|a| (a.kind, a.value)).take(built.len()).collect();
    assert_eq!(read, built);
}

fn seeds(dice: &mut Dice) -> Vec<Vec<u8>> {
    let check = |extra: &[(u16, &[u8])], pwd: &[u8], dice: &mut Dice| {
        let mut room = vec![0; 300];
        let transaction = std::array::from_fn(|_| dice.byte());
        let mut reply = Reply::begin(&mut room, kind::BINDING_REQUEST, transaction);
        reply.attribute(kind::USERNAME, &[ours().ufrag(), b":", THEIRS].concat());
        extra.iter().for_each(|(kind, value)| reply.attribute(*kind, value));
        reply.sign(pwd);
        reply.fingerprint();
        let len = reply.finish().unwrap_or_default();
        room.truncate(len);
        room
    };
    let pwd = ours().pwd().to_vec();
    vec![
        check(&[], &pwd, dice),
        check(&[(kind::PRIORITY, &[1, 2, 3, 4]), (kind::USE_CANDIDATE, &[])], &pwd, dice),
        check(&[(kind::ICE_CONTROLLED, &[0; 8])], &pwd, dice),
        check(&[(0x0003, &[0; 4])], &pwd, dice),
        check(&[(kind::USE_CANDIDATE, &[])], b"another", dice),
    ]
}
