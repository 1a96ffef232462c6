//! An association, step by step.

use crate::fingerprint::Fingerprint;
use crate::identity::Identity;
use crate::limits::{
    DATAGRAMS_MAX, FAULTS_MAX, FLIGHT_MAX, OUTPUT_LEN_MAX, OUTPUTS_MAX, PAUSE_NS_MIN,
};
use core::fmt;
use dimpl::{Dtls, Output, SrtpProfile};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use strowger_link::Tick;
use strowger_srtp::{Master, Suite};

/// What an association begins with.
#[derive(Clone, Debug)]
pub struct Start {
    /// Who we are.
    pub identity: Arc<Identity>,
    /// Whose certificate the party must have.
    pub theirs: Fingerprint,
    /// Whether we say hello (RFC 4145: `active`); else the party does.
    pub is_active: bool,
}

/// The keys of SRTP that an association exported.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exported {
    /// What we send is under this one.
    pub ours: Master,
    /// What the party sends is under this one.
    pub theirs: Master,
}

/// Why an association is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The party has another certificate than its description says. Its media is somebody else's.
    Stranger,
    /// The party has closed it.
    Closed,
    /// It did not come about, by its time or by what came.
    Failed,
    /// Nothing that we know, or a bug of the protocol's code.
    Ours,
}

/// An association, between two steps.
pub struct Association {
    dtls: Dtls,
    start: Start,
    /// The party's certificate is the one that its description names.
    is_proven: bool,
    is_connected: bool,
    /// Exported, and not handed out before the rest is known.
    keys: Option<Exported>,
    faults: u8,
}

impl fmt::Debug for Association {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Association { is_proven, is_connected, faults, .. } = self;
        f.debug_struct("Association")
            .field("is_proven", is_proven)
            .field("is_connected", is_connected)
            .field("faults", faults)
            .finish_non_exhaustive()
    }
}

/// One step of an association: run it on a thread that may take its time.
#[derive(Debug)]
pub struct Job {
    what: What,
    datagrams: Vec<Vec<u8>>,
    now: Tick,
}

#[derive(Debug)]
enum What {
    Start(Start),
    Go(Box<Association>),
}

/// What came of a [`Job`].
#[derive(Debug)]
pub struct Done {
    /// The association, unless it is over.
    pub association: Option<Box<Association>>,
    /// What is to be sent to the party, in order.
    pub out: Vec<Vec<u8>>,
    /// When there is something to do at the latest.
    pub due: Option<Tick>,
    /// Both sides have finished: keys, once in the life of an association.
    pub keys: Option<Exported>,
    /// Why it is over.
    pub fault: Option<Fault>,
}

impl Job {
    /// The first step.
    #[must_use]
    pub fn start(start: Start, datagrams: Vec<Vec<u8>>, now: Tick) -> Job {
        Job { what: What::Start(start), datagrams, now }
    }

    /// The next one: time has passed, or datagrams have come. More than [`DATAGRAMS_MAX`] are lost.
    #[must_use]
    pub fn go(association: Box<Association>, datagrams: Vec<Vec<u8>>, now: Tick) -> Job {
        Job { what: What::Go(association), datagrams, now }
    }

    /// The association of a job that nobody runs, if it was begun; the datagrams are lost.
    #[must_use]
    pub fn refused(self) -> Option<Box<Association>> {
        match self.what {
            What::Go(association) => Some(association),
            What::Start(_) => None,
        }
    }

    /// Takes the association as far as the datagrams allow. A panic of the protocol's code ends
    /// this association and nothing else.
    #[must_use]
    pub fn run(self) -> Done {
        let step = AssertUnwindSafe(|| step(self));
        catch_unwind(step).unwrap_or_else(|_| Done::over(Fault::Ours))
    }
}

impl Done {
    fn over(fault: Fault) -> Done {
        Done { association: None, out: Vec::new(), due: None, keys: None, fault: Some(fault) }
    }
}

fn step(job: Job) -> Done {
    let Job { what, datagrams, now } = job;
    let mut association = match what {
        What::Go(association) => association,
        What::Start(start) => Box::new(Association::new(start, now)),
    };
    let clock = association.start.identity.clock;
    let mut done = Done { association: None, out: Vec::new(), due: None, keys: None, fault: None };
    if association.dtls.handle_timeout(clock.instant(now)).is_err() {
        return Done::over(Fault::Failed);
    }
    association.drain(&mut done);
    for datagram in datagrams.into_iter().take(DATAGRAMS_MAX) {
        if association.dtls.handle_packet(&datagram).is_err() {
            association.faults = association.faults.saturating_add(1);
        }
        association.drain(&mut done);
    }
    if association.faults > FAULTS_MAX {
        done.fault.get_or_insert(Fault::Failed);
    }
    if done.fault.is_some() {
        return Done { association: None, due: None, keys: None, ..done };
    }
    if association.is_proven && association.is_connected {
        done.keys = association.keys.take();
    }
    done.due = done.due.map(|due| due.max(Tick(now.0.saturating_add(PAUSE_NS_MIN))));
    done.association = Some(association);
    done
}

impl Association {
    fn new(start: Start, now: Tick) -> Association {
        let Identity { certificate, config, clock, .. } = &*start.identity;
        let (certificate, now) = (certificate.clone(), clock.instant(now));
        let mut dtls = Dtls::new_auto(Arc::clone(config), certificate, now);
        dtls.set_active(start.is_active);
        let (is_proven, is_connected) = (false, false);
        Association { dtls, start, is_proven, is_connected, keys: None, faults: 0 }
    }

    /// Whether both sides have finished.
    #[must_use]
    pub const fn is_connected(&self) -> bool {
        self.is_connected
    }

    /// Takes what the protocol has to say, until it waits.
    fn drain(&mut self, done: &mut Done) {
        let mut room = vec![0; OUTPUT_LEN_MAX];
        for _ in 0..OUTPUTS_MAX {
            match self.dtls.poll_output(&mut room) {
                Output::Packet(packet) if done.out.len() < FLIGHT_MAX => {
                    done.out.push(packet.to_vec());
                }
                Output::Timeout(at) => {
                    done.due = Some(self.start.identity.clock.tick(at));
                    return;
                }
                Output::Connected => self.is_connected = true,
                Output::PeerCert(certificate) => {
                    self.is_proven = self.start.theirs.is_of(certificate);
                    if !self.is_proven {
                        done.fault = Some(Fault::Stranger);
                    }
                }
                Output::KeyingMaterial(keys, profile) => {
                    self.keys = export(&keys, profile, self.start.is_active);
                }
                Output::CloseNotify => {
                    done.fault.get_or_insert(Fault::Closed);
                }
                // What finds no room is lost; what is sent beside media is nobody's here.
                Output::Packet(_) | Output::ApplicationData(_) => {}
                // What is new in the protocol, too.
                Output::BufferTooSmall { .. } | _ => {}
            }
        }
    }
}

/// RFC 5764 section 4.2: the client's key, the server's, the client's salt, the server's.
fn export(octets: &[u8], profile: SrtpProfile, is_client: bool) -> Option<Exported> {
    let suite = match profile {
        SrtpProfile::AES128_CM_SHA1_80 => Suite::AesCm128Sha80,
        SrtpProfile::AEAD_AES_128_GCM => Suite::Gcm128,
        SrtpProfile::AEAD_AES_256_GCM => Suite::Gcm256,
        _ => return None,
    };
    let (keys, salts) = octets.split_at_checked(suite.key_len() * 2)?;
    let (client, server) = keys.split_at_checked(suite.key_len())?;
    let (client_salt, server_salt) = salts.split_at_checked(suite.salt_len())?;
    let master = |key: &[u8], salt: &[u8]| {
        let octets = zeroize::Zeroizing::new([key, salt].concat());
        Master::new(suite, &octets)
    };
    let (client, server) = (master(client, client_salt)?, master(server, server_salt)?);
    Some(match is_client {
        true => Exported { ours: client, theirs: server },
        false => Exported { ours: server, theirs: client },
    })
}

/// Whether a datagram is a hello in the clear: who sends one to a connected association has begun
/// another (RFC 6347 section 4.2.8).
#[must_use]
pub fn is_client_hello(datagram: &[u8]) -> bool {
    /// Type 22, any version, epoch 0; behind the record's head the type of the message.
    const HEAD_LEN: usize = 13;
    let is_handshake = datagram.first() == Some(&22) && datagram.get(3..5) == Some(&[0, 0]);
    is_handshake && datagram.get(HEAD_LEN) == Some(&1)
}

#[cfg(test)]
mod tests;
