//! What the media of a leg carried, for its record.

use super::{LegMedia, MediaDesk};
use strowger_link::{Heard, LegId, MediaReport, Tick};
use strowger_media::{Drop, MediaReport as Pair, SideReport};

impl MediaDesk {
    /// Adds what a closed pair carried to the leg's report. The record shows the first line that
    /// carried anything, mostly the only audio. `is_a` = the leg is the pair's first side.
    pub(super) fn add_report(&mut self, leg: LegId, index: usize, pair: &Pair, is_a: bool) {
        let Some(media) = self.legs.get_mut(&leg) else { return };
        let new = media.line_report(index, pair, is_a);
        media.report = Some(Box::new(match media.report.take() {
            None => new,
            Some(old) => merge(*old, new),
        }));
    }

    /// What a leg carried so far, its closed pairs and the open ones together.
    pub(super) fn so_far(&self, leg: LegId, now: Tick) -> Option<MediaReport> {
        let media = self.legs.get(&leg)?;
        let mut all = media.report.as_deref().cloned();
        for (index, line) in media.lines.iter().enumerate() {
            let Some((pair, joint)) = line.pair.and_then(|id| Some((id, self.joints.get(&id)?)))
            else {
                continue;
            };
            let Some(report) = self.relay.report(pair, now) else { continue };
            let new = media.line_report(index, &report, joint.a == leg);
            all = Some(match all {
                None => new,
                Some(old) => merge(old, new),
            });
        }
        all
    }
}

impl LegMedia {
    /// What one line carried.
    fn line_report(&self, index: usize, pair: &Pair, is_a: bool) -> MediaReport {
        let (from, to) = if is_a { (&pair.a, &pair.b) } else { (&pair.b, &pair.a) };
        let SideReport { media: from, rtcp } = from;
        let to = &to.media;
        let codec = self.lines.get(index).map(|line| line.codec.clone()).unwrap_or_default();
        let held = u64::from(to.drops.of(Drop::Held)) + u64::from(to.drops.of(Drop::NoDestination));
        let strangers = u64::from(from.drops.of(Drop::Stranger));
        let ms = |from: Tick, to: Tick| u32::try_from(to.ms_since(from)).unwrap_or(u32::MAX);
        let answered = from.answered;
        MediaReport {
            received: from.packets,
            received_octets: from.octets,
            sent: to.packets.saturating_sub(held),
            sent_octets: to.octets,
            lost: from.lost,
            jitter_us: from.jitter_us,
            jitter_us_max: from.jitter_us_max,
            strangers,
            dropped: from.drops.total().saturating_sub(strangers),
            payload_type: from.payload_type.unwrap_or(u8::MAX),
            codec,
            remote: from.latched,
            first_at: from.span.map(|s| s.0),
            last_at: from.span.map(|s| s.1),
            heard: rtcp.and_then(|rtcp| rtcp.heard).map(heard),
            silent_ms: answered.map(|told| ms(told.at, told.spoke.unwrap_or(pair.closed))),
            rang_ms: answered.and_then(|told| Some(ms(told.at, told.rang?))).unwrap_or_default(),
        }
    }
}

fn merge(old: MediaReport, new: MediaReport) -> MediaReport {
    let heard = new.first_at.is_some();
    MediaReport {
        received: old.received.saturating_add(new.received),
        received_octets: old.received_octets.saturating_add(new.received_octets),
        sent: old.sent.saturating_add(new.sent),
        sent_octets: old.sent_octets.saturating_add(new.sent_octets),
        lost: old.lost.saturating_add(new.lost),
        jitter_us: if heard { new.jitter_us } else { old.jitter_us },
        jitter_us_max: old.jitter_us_max.max(new.jitter_us_max),
        strangers: old.strangers.saturating_add(new.strangers),
        dropped: old.dropped.saturating_add(new.dropped),
        payload_type: if heard { new.payload_type } else { old.payload_type },
        codec: if heard { new.codec } else { old.codec },
        remote: new.remote.or(old.remote),
        first_at: old.first_at.or(new.first_at),
        last_at: new.last_at.or(old.last_at),
        heard: match (old.heard, new.heard) {
            (Some(old), Some(new)) => Some(merge_heard(&old, &new)),
            (old, new) => new.or(old),
        },
        silent_ms: old.silent_ms.or(new.silent_ms),
        rang_ms: old.rang_ms.max(new.rang_ms),
    }
}

fn merge_heard(old: &Heard, new: &Heard) -> Heard {
    Heard {
        reports: old.reports.saturating_add(new.reports),
        lost: old.lost.saturating_add(new.lost),
        jitter_us: new.jitter_us,
        round_trip_us: new.round_trip_us.or(old.round_trip_us),
        round_trip_us_max: old.round_trip_us_max.max(new.round_trip_us_max),
    }
}

const fn heard(told: strowger_media::Heard) -> Heard {
    let strowger_media::Heard { reports, lost, jitter_us, round_trip_us, round_trip_us_max } = told;
    Heard { reports, lost, jitter_us, round_trip_us, round_trip_us_max }
}
