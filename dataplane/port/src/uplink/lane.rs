//! A shard's end of the link.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::Receiver;

use strowger_link::ring::{Consumer, Producer, PushError, Wake};

use crate::eventfd::EventFd;
use crate::net::{Lane, LinkError, PlaneLink};
use crate::shm::Window;

/// No session.
pub(super) const NO_EPOCH: u32 = 0;

/// One session's rings of one shard.
pub(super) struct ShardRings {
    pub(super) epoch: u32,
    pub(super) down: Consumer<Window>,
    pub(super) calls: UpEnd,
    pub(super) registrations: UpEnd,
    pub(super) bulk: UpEnd,
}

/// The writing end of an up-ring and its reader's bell.
pub(super) struct UpEnd {
    pub(super) producer: Producer<Window>,
    pub(super) bell: EventFd,
    /// Something was sent since its reader was looked at last.
    pub(super) is_pending: bool,
}

impl UpEnd {
    /// Rings the reader, if something was sent that it sleeps over.
    fn ring(&mut self) {
        if std::mem::take(&mut self.is_pending) && self.producer.wake() == Wake::Needed {
            self.bell.ring();
        }
    }
}

/// A shard's end of the link: [`PlaneLink`] over the living session's rings.
///
/// Made by [`super::Uplink::bind`], moved to the shard's thread. When a session begins or ends the
/// shard's waker is rung; the change shows at the next call.
pub struct UplinkLane {
    arriving: Receiver<ShardRings>,
    /// Epoch of the living session, or [`NO_EPOCH`].
    living: Arc<AtomicU32>,
    /// Rung when a ring was found broken.
    broken: EventFd,
    rings: Option<ShardRings>,
}

impl UplinkLane {
    pub(super) fn new(
        arriving: Receiver<ShardRings>,
        living: Arc<AtomicU32>,
        broken: EventFd,
    ) -> UplinkLane {
        UplinkLane { arriving, living, broken, rings: None }
    }

    /// The rings of the living session.
    fn living_rings(&mut self) -> Option<&mut ShardRings> {
        let living = self.living.load(Ordering::Acquire);
        if self.rings.as_ref().is_none_or(|rings| rings.epoch != living) {
            self.rings = self.arriving.try_iter().find(|rings| rings.epoch == living);
        }
        self.rings.as_mut()
    }

    fn end(&mut self, lane: Lane) -> Option<&mut UpEnd> {
        let rings = self.living_rings()?;
        Some(match lane {
            Lane::Calls => &mut rings.calls,
            Lane::Registrations => &mut rings.registrations,
            Lane::Bulk => &mut rings.bulk,
        })
    }

    fn push(&mut self, lane: Lane, frame: &[u8], hurries: bool) -> Result<(), LinkError> {
        let end = self.end(lane).ok_or(LinkError::Down)?;
        let pushed = end.producer.leave(frame);
        end.is_pending |= hurries && pushed.is_ok();
        pushed.map_err(|error| match error {
            PushError::Full => LinkError::Full,
            PushError::TooLong => LinkError::TooLong,
            PushError::Corrupt => {
                self.end_session();
                LinkError::Down
            }
        })
    }

    /// The peer broke a ring: the session ends for all shards.
    fn end_session(&mut self) {
        if let Some(rings) = self.rings.take() {
            let ended = Ordering::AcqRel;
            // Failure: the session has ended already.
            let _ = self.living.compare_exchange(rings.epoch, NO_EPOCH, ended, Ordering::Acquire);
            self.broken.ring();
        }
    }
}

impl PlaneLink for UplinkLane {
    fn session(&mut self) -> Option<u32> {
        self.living_rings().map(|rings| rings.epoch)
    }

    fn send(&mut self, lane: Lane, frame: &[u8]) -> Result<(), LinkError> {
        self.push(lane, frame, true)
    }

    fn ring(&mut self) {
        let Some(ShardRings { calls, registrations, bulk, .. }) = &mut self.rings else { return };
        calls.ring();
        registrations.ring();
        bulk.ring();
    }

    fn leave(&mut self, lane: Lane, frame: &[u8]) -> Result<(), LinkError> {
        self.push(lane, frame, false)
    }

    fn recv(&mut self, frame: &mut Vec<u8>) -> Result<bool, LinkError> {
        let rings = self.living_rings().ok_or(LinkError::Down)?;
        match rings.down.pop(frame) {
            Ok(popped) => Ok(popped.is_some()),
            Err(strowger_link::ring::Corrupt) => {
                self.end_session();
                Err(LinkError::Down)
            }
        }
    }

    fn prepare_sleep(&mut self) -> bool {
        self.living_rings().is_none_or(|rings| rings.down.prepare_sleep())
    }

    fn finish_sleep(&mut self) {
        if let Some(rings) = self.rings.as_mut() {
            rings.down.finish_sleep();
        }
    }
}
