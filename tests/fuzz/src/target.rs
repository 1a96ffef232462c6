//! What is fuzzed.

use crate::{Dice, Shape};

mod call;
mod datagram;
mod deck;
mod dialog;
mod digest;
mod dtls;
mod endpoint;
mod framing;
mod journal;
mod link;
mod offload;
mod rtcp;
mod rtp;
mod sdp;
mod sip;
mod srtp;
mod stun;
mod table;
mod thaw;
mod token;
mod transaction;
mod uri;
mod websocket;

/// A reader under its laws.
#[derive(Debug)]
pub struct Target {
    /// Its name, on the command line and as a folder of the corpus.
    pub name: &'static str,
    /// Feeds it an input, asserts its laws, tells its features.
    pub run: fn(&[u8]) -> Shape,
    /// Inputs made by its builders, which follow a change of format by themselves.
    pub seeds: fn(&mut Dice) -> Vec<Vec<u8>>,
    /// Words of its format, to be inserted.
    pub words: &'static [&'static [u8]],
}

/// All targets.
pub static TARGETS: &[&Target] = &[
    &sip::TARGET,
    &uri::TARGET,
    &digest::TARGET,
    &sdp::TARGET,
    &rtp::TARGET,
    &rtcp::TARGET,
    &srtp::TARGET,
    &stun::TARGET,
    &dtls::TARGET,
    &datagram::TARGET,
    &link::TARGET,
    &token::TARGET,
    &journal::TARGET,
    &table::TARGET,
    &offload::TARGET,
    &endpoint::TARGET,
    &thaw::TARGET,
    &framing::TARGET,
    &websocket::TARGET,
    &transaction::TARGET,
    &dialog::TARGET,
    &call::TARGET,
    &deck::TARGET,
];

/// Reads an input as choices, for laws that begin with a value: 0 when it is used up.
#[derive(Clone, Debug)]
struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let taken = self.bytes(N);
        array.iter_mut().zip(taken).for_each(|(to, from)| *to = *from);
        array
    }

    fn bytes(&mut self, n: usize) -> &'a [u8] {
        let (head, tail) = self.0.split_at(n.min(self.0.len()));
        self.0 = tail;
        head
    }

    fn u8(&mut self) -> u8 {
        u8::from_be_bytes(self.array())
    }

    fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.array())
    }

    fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.array())
    }
}
