//! Handles of calls. A handle that is dropped ends its call: CANCEL, 480 or BYE, without waiting.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::Engine;
use crate::engine::dialog::{Cancel, Dialog, Reinvite, State};
use crate::failure::{Cause, EndedBy, Failure};
use crate::forwarder::ForwarderStats;
use crate::media::{MediaHandle, Pattern};
use crate::message::Message;
use crate::phone::Shared;
use crate::rtp::tally::MediaReport;
use crate::sdp::{Direction, Sdp};

/// What calls in both directions can do.
#[derive(Debug)]
pub struct Call {
    shared: Arc<Shared>,
    id: u64,
}

/// A call that this phone made.
#[derive(Debug)]
pub struct OutgoingCall(Call);

/// A call that came to this phone.
#[derive(Debug)]
pub struct IncomingCall(Call);

impl OutgoingCall {
    pub(crate) fn new(shared: Arc<Shared>, id: u64) -> Self {
        Self(Call { shared, id })
    }

    /// Waits for 18x and returns the first such code.
    ///
    /// # Errors
    /// When the call ended, was answered without ringing, or `limit` passed.
    pub fn wait_ringing(&self, limit: Duration) -> Result<u16, Failure> {
        self.0.wait(limit, "a ringing response (18x)", |dialog| {
            if let Some(code) = dialog.codes.iter().copied().find(|code| *code > 100) {
                return Some(Ok(code));
            }
            match dialog.state {
                State::Ended(by) => Some(Err(Cause::Ended(by))),
                State::Talking | State::Ending => {
                    Some(Err(Cause::Protocol("the call was answered without ringing")))
                }
                State::Calling | State::Offered | State::Ringing | State::Answered => None,
            }
        })
    }

    /// Waits for the 2xx, which is acknowledged by itself.
    ///
    /// # Errors
    /// When the call ended, the 2xx was wrong, or `limit` passed.
    pub fn wait_answer(&self, limit: Duration) -> Result<(), Failure> {
        self.0.wait(limit, "an answer (2xx)", Dialog::established)
    }

    /// Sends CANCEL (with the first provisional response if none came yet) and waits for the end.
    /// An answer that was on its way is acknowledged and ended with BYE.
    ///
    /// # Errors
    /// When the call is not an unanswered one or did not end.
    pub fn cancel(&self) -> Result<EndedBy, Failure> {
        self.0.act("CANCEL", |engine, id| engine.cancel(id))?;
        self.0.wait_end(self.0.patience())
    }

    /// True when a CANCEL left the phone.
    #[must_use]
    pub fn cancel_sent(&self) -> bool {
        self.0.read(|dialog| dialog.cancel == Cancel::Sent).unwrap_or(false)
    }

    /// The final response to the INVITE (the last one, after challenges).
    #[must_use]
    pub fn response(&self) -> Option<Message> {
        self.0.read(|dialog| dialog.answer.clone()).flatten()
    }
}

impl IncomingCall {
    pub(crate) fn new(shared: Arc<Shared>, id: u64) -> Self {
        Self(Call { shared, id })
    }

    /// The INVITE as it came.
    #[must_use]
    pub fn request(&self) -> Message {
        let none = || Message::request("", "");
        self.0.read(|dialog| dialog.invite.clone()).unwrap_or_else(none)
    }

    /// Sends 100: for phones that do not do so by themselves (`Config::trying`).
    pub fn trying(&self) {
        self.0.shared.lock().send_trying(self.0.id);
    }

    /// Sends 180.
    ///
    /// # Errors
    /// When the call is over or answered.
    pub fn ring(&self) -> Result<(), Failure> {
        self.0.act("ringing", |engine, id| engine.ring(id, 180, false))
    }

    /// Sends 183 with a session description; audio may be sent from now on.
    ///
    /// # Errors
    /// When the call is over or answered.
    pub fn early_media(&self) -> Result<(), Failure> {
        self.0.act("early media", |engine, id| engine.ring(id, 183, true))
    }

    /// Sends 200 and waits for the ACK.
    ///
    /// # Errors
    /// When the call is over, or no ACK came within 64*T1 (sooner, the phone's patience).
    pub fn answer(&self) -> Result<(), Failure> {
        self.answer_without_waiting()?;
        self.0.wait(self.0.patience(), "the ACK of our 200", Dialog::established)
    }

    /// Sends 200 only.
    ///
    /// # Errors
    /// When the call is over or answered.
    pub fn answer_without_waiting(&self) -> Result<(), Failure> {
        self.0.act("answering", Engine::answer)
    }

    /// Refuses with 302: the call is to go to these URIs, the first one first.
    ///
    /// # Errors
    /// When the call is over or answered.
    pub fn redirect(&self, contacts: &[&str]) -> Result<(), Failure> {
        self.0.act("redirecting", |engine, id| engine.redirect(id, contacts))
    }

    /// Refuses with a code of 300 to 699.
    ///
    /// # Errors
    /// When the call is over or answered.
    pub fn reject(&self, code: u16) -> Result<(), Failure> {
        self.0.act("refusing", |engine, id| engine.reject(id, code))
    }
}

impl Deref for OutgoingCall {
    type Target = Call;

    fn deref(&self) -> &Call {
        &self.0
    }
}

impl Deref for IncomingCall {
    type Target = Call;

    fn deref(&self) -> &Call {
        &self.0
    }
}

impl Call {
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Call-ID header of this leg.
    #[must_use]
    pub fn sip_call_id(&self) -> String {
        self.read(|dialog| dialog.call_id.clone()).unwrap_or_default()
    }

    /// Our tag of this leg.
    #[must_use]
    pub fn own_tag(&self) -> String {
        self.read(|dialog| dialog.local_tag.clone()).unwrap_or_default()
    }

    /// The other side's tag, once it has said one.
    #[must_use]
    pub fn remote_tag(&self) -> Option<String> {
        self.read(|dialog| dialog.remote_tag.clone()).flatten()
    }

    /// How the call ended; `None` while it lives.
    #[must_use]
    pub fn ended(&self) -> Option<EndedBy> {
        self.read(Dialog::ended_by).flatten()
    }

    /// Provisional codes received or sent, in order.
    #[must_use]
    pub fn provisional_codes(&self) -> Vec<u16> {
        self.read(|dialog| dialog.codes.clone()).unwrap_or_default()
    }

    /// Requests that came inside the call (re-INVITE, UPDATE, INFO, OPTIONS, BYE), in order.
    #[must_use]
    pub fn requests(&self) -> Vec<Message> {
        self.read(|dialog| dialog.requests.clone()).unwrap_or_default()
    }

    /// The session description that the other side sent last.
    #[must_use]
    pub fn remote_sdp(&self) -> Option<Sdp> {
        self.read(|dialog| dialog.talk.remote.clone()).flatten()
    }

    /// Waits for the end of the call and says who ended it.
    ///
    /// # Errors
    /// When it still lives after `limit`.
    pub fn wait_end(&self, limit: Duration) -> Result<EndedBy, Failure> {
        self.wait(limit, "the end of the call", |dialog| dialog.ended_by().map(Ok))
    }

    /// Sends BYE and waits for its response.
    ///
    /// # Errors
    /// When the call is not established, or BYE got no response.
    pub fn bye(&self) -> Result<EndedBy, Failure> {
        self.act("BYE", |engine, id| match engine.dialogs.get(&id).map(|d| d.state) {
            Some(State::Talking | State::Answered) => {
                engine.send_bye(id);
                Ok(())
            }
            Some(State::Ended(by)) => Err(Cause::Ended(by)),
            Some(State::Calling | State::Offered | State::Ringing | State::Ending) | None => {
                Err(Cause::Misuse("BYE: the call is not established"))
            }
        })?;
        match self.wait_end(self.patience())? {
            EndedBy::TimedOut => Err(self.failure(Cause::TimedOut, "a response to BYE")),
            by @ (EndedBy::LocalBye
            | EndedBy::RemoteBye
            | EndedBy::LocalCancel
            | EndedBy::RemoteCancel
            | EndedBy::Refused(_)
            | EndedBy::Rejected(_)
            | EndedBy::NoAck) => Ok(by),
        }
    }

    /// Puts the other side on hold: re-INVITE with `sendonly`.
    ///
    /// # Errors
    /// When refused, or not answered within the phone's patience. 491 is tried again by itself.
    pub fn hold(&self) -> Result<(), Failure> {
        self.change(Direction::SendOnly)
    }

    /// Takes the other side back: re-INVITE with `sendrecv`.
    ///
    /// # Errors
    /// As [`Call::hold`].
    pub fn resume(&self) -> Result<(), Failure> {
        self.change(Direction::SendRecv)
    }

    /// Sends a re-INVITE with this direction and waits for its result.
    ///
    /// # Errors
    /// As [`Call::hold`].
    pub fn change(&self, wish: Direction) -> Result<(), Failure> {
        self.act("a re-INVITE", |engine, id| engine.reinvite(id, wish))?;
        let awaited = format!("the answer to a re-INVITE with {}", wish.name());
        self.wait(self.patience(), &awaited, |dialog| match (&dialog.reinvite, dialog.state) {
            (Reinvite::Done(result), _) => Some(result.clone()),
            (_, State::Ended(by)) => Some(Err(Cause::Ended(by))),
            (Reinvite::Idle | Reinvite::Pending { .. } | Reinvite::Waiting { .. }, _) => None,
        })
    }

    /// Waits until the other side says this direction, by INVITE, re-INVITE or answer.
    ///
    /// # Errors
    /// When it did not within `limit`, or the call ended.
    pub fn wait_remote_direction(&self, way: Direction, limit: Duration) -> Result<(), Failure> {
        let awaited = format!("the other side to say {}", way.name());
        self.wait(limit, &awaited, |dialog| {
            match (dialog.talk.remote.as_ref().map(|sdp| sdp.direction), dialog.ended_by()) {
                (_, Some(by)) => Some(Err(Cause::Ended(by))),
                (Some(said), None) if said == way => Some(Ok(())),
                (Some(_) | None, None) => None,
            }
        })
    }

    /// Waits until the other side no longer listens to us (`sendonly` or `inactive`).
    ///
    /// # Errors
    /// When it did not within `limit`, or the call ended.
    pub fn wait_held(&self, limit: Duration) -> Result<(), Failure> {
        self.wait(limit, "to be held", |dialog| {
            match (dialog.talk.remote.as_ref().map(|sdp| sdp.direction), dialog.ended_by()) {
                (_, Some(by)) => Some(Err(Cause::Ended(by))),
                (Some(said), None) if !said.receives() => Some(Ok(())),
                (Some(_) | None, None) => None,
            }
        })
    }

    /// Sends a request inside the call and waits for its final response.
    ///
    /// # Errors
    /// With the code when it is not 2xx.
    pub fn request_inside(
        &self,
        method: &str,
        body: Option<(&str, &[u8])>,
    ) -> Result<Message, Failure> {
        self.request_inside_with(method, &[], body)
    }

    /// As [`Call::request_inside`], with more headers.
    ///
    /// # Errors
    /// With the code when it is not 2xx.
    pub fn request_inside_with(
        &self,
        method: &str,
        headers: &[(&str, &str)],
        body: Option<(&str, &[u8])>,
    ) -> Result<Message, Failure> {
        let awaited = format!("the final response to {method} in the call");
        let exchange = self.shared.lock().exchange_inside(self.id, method, headers, body);
        let exchange = exchange.ok_or_else(|| self.failure(Cause::Misuse("no call"), &awaited))?;
        let limit = self.patience();
        self.shared.wait_exchange(exchange, Some(self.id), limit, &awaited).map(|(m, _)| m)
    }

    /// Sends `packets` packets at the packet time and waits until the last has left.
    ///
    /// # Errors
    /// When this side may not send now, or the call ended before the last packet.
    pub fn send_rtp(&self, packets: u64, pattern: Pattern) -> Result<(), Failure> {
        let media = self.start_rtp(packets, pattern)?;
        let time = media.ptime() * u32::try_from(packets).unwrap_or(u32::MAX);
        media.wait_sent(time + self.patience()).map_err(|left| {
            let awaited = format!("{packets} packets to be sent; {left} are left");
            self.failure(self.ended().map_or(Cause::TimedOut, Cause::Ended), &awaited)
        })
    }

    /// Begins to send `packets` packets and returns; `u64::MAX` for as long as the call lasts.
    ///
    /// # Errors
    /// When this side may not send now: no session yet, held, or over.
    pub fn start_sending(&self, packets: u64, pattern: Pattern) -> Result<(), Failure> {
        self.start_rtp(packets, pattern).map(drop)
    }

    /// Echo mode: each RTP packet that comes goes back from our own port, with our SSRC.
    pub fn set_echo(&self, echo: bool) {
        if let Some(media) = self.media() {
            media.set_echo(echo);
        }
    }

    /// What the media of this call counted so far; it counts on after the end.
    #[must_use]
    pub fn media_report(&self) -> MediaReport {
        self.media().map(|media| media.report()).unwrap_or_default()
    }

    /// Waits until `check` is true of the media report.
    ///
    /// # Errors
    /// When it is not within `limit`; the report is in the failure.
    pub fn wait_media(
        &self,
        limit: Duration,
        awaited: &str,
        check: impl Fn(&MediaReport) -> bool,
    ) -> Result<MediaReport, Failure> {
        let deadline = std::time::Instant::now() + limit;
        loop {
            let report = self.media_report();
            if check(&report) {
                return Ok(report);
            }
            if std::time::Instant::now() >= deadline {
                let mut failure = self.failure(Cause::TimedOut, &format!("{awaited} in {limit:?}"));
                failure.seen = format!("{}; {report:?}", failure.seen);
                return Err(failure);
            }
            std::thread::sleep(crate::limits::POLL);
        }
    }

    /// Own RTP address.
    #[must_use]
    pub fn rtp_addr(&self) -> Option<SocketAddr> {
        self.media().and_then(|media| media.local().ok())
    }

    /// Where our RTP goes.
    #[must_use]
    pub fn remote_rtp(&self) -> Option<SocketAddr> {
        self.media().and_then(|media| media.remote())
    }

    /// Counts of the bad network before our RTP port, if one was asked for.
    #[must_use]
    pub fn media_forwarder(&self) -> Option<ForwarderStats> {
        self.read(|dialog| dialog.media.forwarder_stats()).flatten()
    }

    fn start_rtp(&self, packets: u64, pattern: Pattern) -> Result<MediaHandle, Failure> {
        let media = self.media().filter(MediaHandle::sends);
        let media = media.ok_or_else(|| {
            self.failure(Cause::Misuse("this side may not send now"), "permission to send audio")
        })?;
        media.start(packets, pattern);
        Ok(media)
    }

    fn media(&self) -> Option<MediaHandle> {
        self.read(|dialog| dialog.media.handle())
    }

    fn patience(&self) -> Duration {
        self.shared.lock().config.patience
    }

    fn read<T>(&self, read: impl FnOnce(&Dialog) -> T) -> Option<T> {
        self.shared.lock().dialogs.get(&self.id).map(read)
    }

    fn act(
        &self,
        what: &str,
        act: impl FnOnce(&mut Engine, u64) -> Result<(), Cause>,
    ) -> Result<(), Failure> {
        let done = act(&mut self.shared.lock(), self.id);
        done.map_err(|cause| self.failure(cause, what))
    }

    fn wait<T>(
        &self,
        limit: Duration,
        awaited: &str,
        check: impl Fn(&Dialog) -> Option<Result<T, Cause>>,
    ) -> Result<T, Failure> {
        self.shared.wait(Some(self.id), limit, awaited, |engine| {
            match engine.dialogs.get(&self.id) {
                Some(dialog) => check(dialog),
                None => Some(Err(Cause::Misuse("no such call"))),
            }
        })
    }

    fn failure(&self, cause: Cause, awaited: &str) -> Failure {
        self.shared.failure(Some(self.id), cause, awaited)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut engine = self.shared.lock();
        engine.abandon(self.id);
        if let Some(dialog) = engine.dialogs.get_mut(&self.id) {
            dialog.released = true;
        }
    }
}

impl Dialog {
    fn ended_by(&self) -> Option<EndedBy> {
        match self.state {
            State::Ended(by) => Some(by),
            State::Calling
            | State::Offered
            | State::Ringing
            | State::Answered
            | State::Talking
            | State::Ending => None,
        }
    }

    fn established(&self) -> Option<Result<(), Cause>> {
        match (self.fault, self.state) {
            (Some(fault), _) => Some(Err(Cause::Protocol(fault))),
            (None, State::Talking | State::Ending) => Some(Ok(())),
            (None, State::Ended(by)) => Some(Err(Cause::Ended(by))),
            (None, State::Calling | State::Offered | State::Ringing | State::Answered) => None,
        }
    }
}
