//! The handshake's messages.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use crate::seqpacket::SeqPacket;

/// Version of the handshake and of the rings' arrangement.
pub const LINK_VERSION: u32 = 2;
/// Most tables one switchd offers: its own segments and those of a former life.
pub const TABLES_MAX: usize = 256;
/// Bytes of each message.
pub(super) const MESSAGE_BYTES: usize = 40;

const MAGIC: u64 = u64::from_le_bytes(*b"STRWLINK");

/// Why switchd refused a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Another version of the handshake, or of the frames.
    Version,
    /// Another controld is connected.
    Busy,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Message {
    Hello { version: u32, contract: u32 },
    Welcome { version: u32, contract: u32, epoch: u32, node: u32, shards: u32, tables: u32 },
    Refused { why: Refusal, version: u32, contract: u32 },
    Shard { number: u32, capacities: [u32; 4] },
    Table { segment: u32 },
    Ready,
}

impl Message {
    pub(super) fn send(&self, socket: &SeqPacket, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        socket.send(&self.encode(), fds)
    }

    /// The next message and its descriptors. `UnexpectedEof`: the peer closed; `InvalidData`: not a
    /// message of ours.
    pub(super) fn receive(socket: &SeqPacket) -> io::Result<(Message, Vec<OwnedFd>)> {
        let mut buffer = [0; MESSAGE_BYTES + 1];
        let (bytes, fds) = socket.receive(&mut buffer)?;
        let message = Message::decode(bytes).ok_or(io::ErrorKind::InvalidData)?;
        Ok((message, fds))
    }

    pub(super) fn encode(&self) -> [u8; MESSAGE_BYTES] {
        let fields = match *self {
            Message::Hello { version, contract } => [1, version, contract, 0, 0, 0, 0],
            Message::Welcome { version, contract, epoch, node, shards, tables } => {
                [2, version, contract, epoch, node, shards, tables]
            }
            Message::Refused { why, version, contract } => {
                let why = match why {
                    Refusal::Version => 1,
                    Refusal::Busy => 2,
                };
                [3, why, version, contract, 0, 0, 0]
            }
            Message::Shard { number, capacities: [down, calls, registrations, bulk] } => {
                [4, number, down, calls, registrations, bulk, 0]
            }
            Message::Table { segment } => [5, segment, 0, 0, 0, 0, 0],
            Message::Ready => [6, 0, 0, 0, 0, 0, 0],
        };
        let bytes =
            MAGIC.to_le_bytes().into_iter().chain(fields.into_iter().flat_map(u32::to_le_bytes));
        let mut out = [0; MESSAGE_BYTES];
        out.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        out
    }

    /// `None` = no message of ours.
    pub(super) fn decode(bytes: &[u8]) -> Option<Message> {
        let (magic, fields) = bytes.split_first_chunk::<8>()?;
        if u64::from_le_bytes(*magic) != MAGIC || bytes.len() != MESSAGE_BYTES {
            return None;
        }
        let mut numbers = [0u32; 7];
        let (words, _) = fields.as_chunks::<4>();
        numbers.iter_mut().zip(words).for_each(|(to, from)| *to = u32::from_le_bytes(*from));
        match numbers {
            [1, version, contract, ..] => Some(Message::Hello { version, contract }),
            [2, version, contract, epoch, node, shards, tables] => {
                Some(Message::Welcome { version, contract, epoch, node, shards, tables })
            }
            [3, 1, version, contract, ..] => {
                Some(Message::Refused { why: Refusal::Version, version, contract })
            }
            [3, 2, version, contract, ..] => {
                Some(Message::Refused { why: Refusal::Busy, version, contract })
            }
            [4, number, down, calls, registrations, bulk, _] => {
                Some(Message::Shard { number, capacities: [down, calls, registrations, bulk] })
            }
            [5, segment, ..] => Some(Message::Table { segment }),
            [6, ..] => Some(Message::Ready),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{MESSAGE_BYTES, Message, Refusal};

    #[test]
    fn all_messages_read_back() {
        let messages = [
            Message::Hello { version: 1, contract: 2 },
            Message::Welcome { version: 1, contract: 2, epoch: 3, node: 4, shards: 5, tables: 6 },
            Message::Refused { why: Refusal::Version, version: 1, contract: 2 },
            Message::Refused { why: Refusal::Busy, version: 1, contract: 2 },
            Message::Shard { number: 7, capacities: [8, 16, 32, 64] },
            Message::Table { segment: 9 },
            Message::Ready,
        ];
        for message in messages {
            let bytes = message.encode();
            assert_eq!(Message::decode(&bytes), Some(message));
            assert_eq!(Message::decode(&bytes[..MESSAGE_BYTES - 1]), None);
            let mut other = bytes;
            other[0] ^= 1;
            assert_eq!(Message::decode(&other), None);
        }
        let golden =
            "535452574c494e4b0100000001000000020000000000000000000000000000000000000000000000";
        let hello: String = messages[0].encode().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hello, golden);
    }
}
