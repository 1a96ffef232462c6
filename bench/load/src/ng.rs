//! rtpengine's control protocol (ng): calls made by offer and answer, bencoded, over UDP.
//!
//! One request at a time, waited for: it sets a bench up, it is not what is measured.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use strowger_srtp::Master;

use crate::calls::{audio_of, describe};
use crate::secret::key_of;

/// How long one request may take.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// A client.
pub(crate) struct Ng {
    socket: UdpSocket,
    cookie: u64,
}

/// A call of the relay: its ports towards the near and the far end, and the key under which the
/// near end hears.
#[derive(Debug)]
pub(crate) struct Relayed {
    pub(crate) near: SocketAddr,
    pub(crate) far: SocketAddr,
    pub(crate) key: Option<Master>,
}

impl Ng {
    pub(crate) fn open(server: SocketAddr) -> Result<Ng, String> {
        let open = || {
            // Over a cable the server's addresses are another host's.
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            socket.connect(server)?;
            socket.set_read_timeout(Some(ANSWER_MAX))?;
            Ok(Ng { socket, cookie: 0 })
        };
        open().map_err(|error: std::io::Error| format!("ng at {server}: {error}"))
    }

    /// Makes call `number` between these ends; the near one's audio is encrypted or not.
    pub(crate) fn relay(
        &mut self,
        number: u32,
        (near, srtp): (SocketAddr, bool),
        far: SocketAddr,
    ) -> Result<Relayed, String> {
        let (towards_far, _) = self.describe("offer", number, (near, srtp))?;
        let (towards_near, key) = self.describe("answer", number, (far, false))?;
        match srtp && key.is_none() {
            true => Err(format!("ng: no key in the answer to call {number}")),
            false => Ok(Relayed { near: towards_near, far: towards_far, key }),
        }
    }

    /// The port that takes the place of `end`, and the key by which it seals.
    fn describe(
        &mut self,
        command: &str,
        number: u32,
        (end, srtp): (SocketAddr, bool),
    ) -> Result<(SocketAddr, Option<Master>), String> {
        let sdp = describe(end, srtp).replace('\n', "\r\n");
        let id = format!("load-{number}");
        let mut pairs = vec![("call-id", id.as_str()), ("command", command), ("from-tag", "near")];
        pairs.push(("sdp", &sdp));
        if command == "answer" {
            pairs.push(("to-tag", "far"));
        } else if srtp {
            pairs.push(("transport-protocol", "RTP/AVP"));
        }
        let answer = self.ask(&pairs)?;
        let text = String::from_utf8_lossy(&answer);
        let sdp = value(&text, "sdp").ok_or_else(|| format!("ng {command}: {text}"))?;
        let at = audio_of(sdp.as_bytes());
        let at = at.ok_or_else(|| format!("ng {command}: no audio in {sdp}"))?;
        Ok((at, key_of(sdp.as_bytes())))
    }

    fn ask(&mut self, pairs: &[(&str, &str)]) -> Result<Vec<u8>, String> {
        self.cookie += 1;
        let cookie = format!("c{} ", self.cookie);
        let request = format!("{cookie}{}", bencode(pairs));
        self.socket.send(request.as_bytes()).map_err(|error| format!("ng: {error}"))?;
        let mut buffer = [0; 16_384];
        loop {
            let got = self.socket.recv(&mut buffer).map_err(|error| format!("ng: {error}"))?;
            let data = buffer.get(..got).unwrap_or_default();
            if let Some(answer) = data.strip_prefix(cookie.as_bytes()) {
                return Ok(answer.to_vec());
            }
        }
    }
}

/// A dictionary of texts; keys must be in order.
fn bencode(pairs: &[(&str, &str)]) -> String {
    let text = |text: &str| format!("{}:{text}", text.len());
    let inner: String = pairs.iter().map(|(key, value)| text(key) + &text(value)).collect();
    format!("d{inner}e")
}

/// The text behind a key.
fn value<'a>(answer: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = answer.split_once(&format!("{}:{key}", key.len()))?;
    let (length, rest) = rest.split_once(':')?;
    rest.get(..length.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dictionaries_are_bencoded() {
        assert_eq!(bencode(&[("command", "ping"), ("x", "")]), "d7:command4:ping1:x0:e");
        assert_eq!(value("d6:result2:ok3:sdp4:v=0\ne", "sdp"), Some("v=0\n"));
        assert_eq!(value("d6:result5:errore", "sdp"), None);
    }
}
