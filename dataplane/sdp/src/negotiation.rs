//! What an offer and its answer make together, RFC 3264 sections 6 to 8.

use crate::description::Description;
use crate::direction::Direction;
use crate::terms::Terms;

/// One of the two parties.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Party {
    /// Who made the offer.
    Offerer,
    /// Who answered it.
    Answerer,
}

/// Why an answer does not fit its offer, or a new offer what went before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mismatch {
    /// The answer has another number of media lines than the offer (RFC 3264 section 6).
    Count,
    /// A media line changed its kind between offer and answer; its index, from 0.
    Kind(u8),
    /// A media line changed its transport; RTP with and without feedback is one transport.
    Transport(u8),
    /// A media line that the offer rejected is in use in the answer.
    Revived(u8),
    /// A new offer has fewer media lines than the description before (RFC 3264 section 8).
    Fewer,
}

/// One media line as agreed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Agreed {
    /// What the offerer wants.
    pub offerer: Terms,
    /// What the answerer wants.
    pub answerer: Terms,
}

impl Agreed {
    /// Whether the media line is in use.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        !self.offerer.is_rejected() && !self.answerer.is_rejected()
    }

    /// Whether media flows from `party` to the other: one sends, the other receives. An answer
    /// that goes beyond its offer (`sendrecv` to `sendonly`) is cut to what the offer allows.
    #[must_use]
    pub const fn flows_from(&self, party: Party) -> bool {
        let (sender, receiver) = match party {
            Party::Offerer => (self.offerer, self.answerer),
            Party::Answerer => (self.answerer, self.offerer),
        };
        self.is_live() && sender.direction.sends() && receiver.direction.receives()
    }

    /// What the offerer does by now, both descriptions regarded.
    #[must_use]
    pub const fn direction(&self) -> Direction {
        Direction::new(self.flows_from(Party::Offerer), self.flows_from(Party::Answerer))
    }
}

/// Checks an answer against its offer, and pairs their media lines.
///
/// Directions are no mismatch: see [`Agreed::flows_from`]. Nor are payload types: the parties may
/// number them differently.
///
/// # Errors
/// [`Mismatch`], the first found.
pub fn agree(offer: &Description<'_>, answer: &Description<'_>) -> Result<Vec<Agreed>, Mismatch> {
    if offer.media_count() != answer.media_count() {
        return Err(Mismatch::Count);
    }
    let pairs = offer.media().zip(answer.media()).enumerate();
    pairs
        .map(|(index, (offered, answered))| {
            let index = index as u8;
            let agreed = Agreed { offerer: offered.terms(), answerer: answered.terms() };
            if !offered.kind().eq_ignore_ascii_case(answered.kind()) {
                return Err(Mismatch::Kind(index));
            }
            if answered.port() == 0 {
                return Ok(agreed);
            }
            if offered.port() == 0 {
                return Err(Mismatch::Revived(index));
            }
            match agreed.offerer.transport == agreed.answerer.transport {
                true => Ok(agreed),
                false => Err(Mismatch::Transport(index)),
            }
        })
        .collect()
}

/// Whether an answer is by the transports that were offered. What else [`agree`] may find wrong is
/// not looked at, and nothing behind it.
#[must_use]
pub fn transports_fit(offer: &[Terms], answer: &[Terms]) -> bool {
    if offer.len() != answer.len() {
        return true;
    }
    for (offered, answered) in offer.iter().zip(answer) {
        if offered.kind != answered.kind || (offered.is_rejected() && !answered.is_rejected()) {
            return true;
        }
        if !answered.is_rejected() && offered.transport != answered.transport {
            return false;
        }
    }
    true
}

/// Checks a new offer within a session: media lines are never taken away, they get port 0.
/// `media_count` is that of the description before.
///
/// # Errors
/// [`Mismatch::Fewer`].
pub fn check_reoffer(media_count: usize, offer: &Description<'_>) -> Result<(), Mismatch> {
    if offer.media_count() < media_count { Err(Mismatch::Fewer) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::{Agreed, Mismatch, Party, agree, check_reoffer, transports_fit};
    use crate::{Description, Direction};

    fn body(media: &str) -> String {
        format!("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n{media}")
    }

    fn between(offer: &str, answer: &str) -> Result<Vec<Agreed>, Mismatch> {
        let (offer, answer) = (body(offer), body(answer));
        let parse = |body| Description::parse(body).unwrap();
        agree(&parse(offer.as_bytes()), &parse(answer.as_bytes()))
    }

    const AUDIO: &str = "m=audio 4000 RTP/AVP 8\r\n";
    const VIDEO: &str = "m=video 4002 RTP/AVP 96\r\n";

    #[test]
    fn an_answer_has_the_media_lines_of_its_offer() {
        let both = format!("{AUDIO}{VIDEO}");
        assert_eq!(between(&both, &both).map(|agreed| agreed.len()), Ok(2));
        assert_eq!(between(&both, AUDIO), Err(Mismatch::Count));
        assert_eq!(between(AUDIO, &both), Err(Mismatch::Count));
        assert_eq!(between(&both, &format!("{VIDEO}{AUDIO}")), Err(Mismatch::Kind(0)));
        let savp = "m=audio 4000 RTP/SAVP 8\r\n";
        assert_eq!(between(AUDIO, savp), Err(Mismatch::Transport(0)));
        assert!(between(AUDIO, "m=audio 4000 RTP/AVPF 8\r\n").is_ok());
    }

    #[test]
    fn transports_fit_unless_they_are_what_does_not_agree() {
        let lines = ["", AUDIO, VIDEO, "m=audio 0 RTP/AVP 8\r\n", "m=audio 4000 RTP/SAVP 8\r\n"];
        let bodies =
            lines.iter().flat_map(|one| lines.iter().map(move |two| format!("{one}{two}")));
        let bodies: Vec<String> = bodies.collect();
        let terms = |text: &str| -> Vec<_> {
            let text = body(text);
            let parsed = Description::parse(text.as_bytes()).unwrap();
            parsed.media().map(|media| media.terms()).collect()
        };
        let mut unfit = 0;
        for offer in &bodies {
            for answer in &bodies {
                let wrong = matches!(between(offer, answer), Err(Mismatch::Transport(_)));
                assert_eq!(transports_fit(&terms(offer), &terms(answer)), !wrong);
                unfit += usize::from(wrong);
            }
        }
        assert!(unfit > 5, "{unfit}");
    }

    #[test]
    fn a_rejected_media_line_stays_rejected() {
        let rejected = "m=audio 0 RTP/AVP 8\r\n";
        assert!(!between(AUDIO, rejected).unwrap()[0].is_live());
        assert_eq!(between(rejected, AUDIO), Err(Mismatch::Revived(0)));
        // What transport a rejected line names does not matter.
        assert!(between(AUDIO, "m=audio 0 RTP/SAVP 8\r\n").is_ok());
    }

    #[test]
    fn media_flows_where_one_sends_and_the_other_receives() {
        for (offered, answered, agreed) in [
            ("sendrecv", "sendrecv", Direction::SendRecv),
            ("sendonly", "recvonly", Direction::SendOnly),
            ("recvonly", "sendonly", Direction::RecvOnly),
            ("inactive", "inactive", Direction::Inactive),
            ("sendonly", "sendrecv", Direction::SendOnly), // broken, and cut to the offer
            ("sendrecv", "recvonly", Direction::SendOnly),
            ("sendonly", "sendonly", Direction::Inactive),
        ] {
            let with = |direction: &str| format!("{AUDIO}a={direction}\r\n");
            let line = between(&with(offered), &with(answered)).unwrap()[0];
            assert_eq!(line.direction(), agreed, "{offered} / {answered}");
            assert_eq!(line.flows_from(Party::Answerer), agreed.receives());
        }
    }

    #[test]
    fn a_new_offer_keeps_the_media_lines() {
        let one = body(AUDIO);
        let one = Description::parse(one.as_bytes()).unwrap();
        assert_eq!(check_reoffer(1, &one), Ok(()));
        assert_eq!(check_reoffer(0, &one), Ok(()));
        assert_eq!(check_reoffer(2, &one), Err(Mismatch::Fewer));
    }
}
