//! rtpengine's control protocol (ng): calls made by offer and answer, bencoded, over UDP.
//!
//! One request at a time, waited for: it sets a bench up, it is not what is measured.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use crate::calls::audio_of;

/// How long one request may take.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// A client.
pub(crate) struct Ng {
    socket: UdpSocket,
    cookie: u64,
}

/// A call of the relay: its ports towards the near and the far end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Relayed {
    pub(crate) near: SocketAddr,
    pub(crate) far: SocketAddr,
}

impl Ng {
    pub(crate) fn open(server: SocketAddr) -> Result<Ng, String> {
        let open = || {
            let socket = UdpSocket::bind((server.ip(), 0))?;
            socket.connect(server)?;
            socket.set_read_timeout(Some(ANSWER_MAX))?;
            Ok(Ng { socket, cookie: 0 })
        };
        open().map_err(|error: std::io::Error| format!("ng at {server}: {error}"))
    }

    /// Makes call `number` between these ends.
    pub(crate) fn relay(
        &mut self,
        number: u32,
        near: SocketAddr,
        far: SocketAddr,
    ) -> Result<Relayed, String> {
        let far_port = self.describe("offer", number, near)?;
        let near_port = self.describe("answer", number, far)?;
        Ok(Relayed { near: near_port, far: far_port })
    }

    /// The port that takes the place of `end`.
    fn describe(
        &mut self,
        command: &str,
        number: u32,
        end: SocketAddr,
    ) -> Result<SocketAddr, String> {
        let (ip, port) = (end.ip(), end.port());
        let sdp = format!(
            "v=0\r\no=load 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na=sendrecv\r\n"
        );
        let id = format!("load-{number}");
        let mut pairs = vec![("call-id", id.as_str()), ("command", command), ("from-tag", "near")];
        pairs.push(("sdp", &sdp));
        if command == "answer" {
            pairs.push(("to-tag", "far"));
        }
        let answer = self.ask(&pairs)?;
        let text = String::from_utf8_lossy(&answer);
        let sdp = value(&text, "sdp").ok_or_else(|| format!("ng {command}: {text}"))?;
        audio_of(sdp.as_bytes()).ok_or_else(|| format!("ng {command}: no audio in {sdp}"))
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
