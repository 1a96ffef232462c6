//! What an agent puts beside its descriptions, and what it finds there: ISUP, as networks do that
//! speak it over SIP. The bytes name the message that they go in, so that what goes astray shows.

use super::Agent;
use strowger_phone::message::Message;

/// Its media type.
const TYPE: &str = "application/isup";
/// Parts of a body.
const BOUNDARY: &str = "simulated";

/// What an agent hears of others beside descriptions: the words for these messages.
fn word_of(message: &Message) -> String {
    let method = message.cseq().map(|(_, method)| method.to_owned()).unwrap_or_default();
    match message.code() {
        Some(code) => format!("{code} {method}"),
        None => method,
    }
}

impl Agent {
    /// Gives a message of ours its description, with ISUP beside it where that is its manner.
    pub(super) fn put_description(&self, message: &mut Message, description: &str) {
        if !self.manner.isup {
            return message.set_body("application/sdp", description.as_bytes());
        }
        let word = word_of(message);
        let body = format!(
            "--{BOUNDARY}\r\nContent-Type: application/sdp\r\n\r\n{description}\r\n--{BOUNDARY}\r\n\
             Content-Type: {TYPE}\r\nContent-Disposition: signal;handling=required\r\n\r\n\
             {word}\r\n--{BOUNDARY}--\r\n"
        );
        message.push("MIME-Version", "1.0");
        message.set_body(&format!("multipart/mixed;boundary={BOUNDARY}"), body.as_bytes());
    }

    /// Gives a message without a description ISUP alone.
    pub(super) fn put_isup(&self, message: &mut Message) {
        if self.manner.isup {
            let word = word_of(message);
            message.push("Content-Disposition", "signal;handling=required");
            message.set_body(TYPE, word.as_bytes());
        }
    }

    /// Notes the ISUP that a message brings; its description comes back.
    pub(super) fn take_isup(&mut self, message: &Message) -> Vec<u8> {
        let kind = message.header("Content-Type").unwrap_or_default();
        let text = String::from_utf8_lossy(&message.body).into_owned();
        if kind == TYPE {
            *self.isup_heard.entry(text).or_default() += 1;
            return Vec::new();
        }
        let Some((_, boundary)) = kind.split_once("boundary=") else {
            return message.body.clone();
        };
        let mut description = Vec::new();
        for part in text.split(&format!("--{boundary}")) {
            let Some((head, body)) = part.split_once("\r\n\r\n") else { continue };
            let body = body.strip_suffix("\r\n").unwrap_or(body);
            if head.contains("application/sdp") {
                description = body.as_bytes().to_vec();
            } else if head.contains(TYPE) {
                *self.isup_heard.entry(body.to_owned()).or_default() += 1;
            }
        }
        description
    }
}
