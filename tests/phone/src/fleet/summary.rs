//! A fleet's work in figures.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::{CallView, End, LegView, Phase, Side};

/// What all calls of a fleet did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Calls that were begun.
    pub calls: usize,
    /// Of them, answered as the caller saw it.
    pub answered: usize,
    /// Of them, over for both phones.
    pub over: usize,
    /// How the legs ended, by side and kind.
    pub ends: BTreeMap<String, usize>,
    /// How far the legs are, by side and phase.
    pub phases: BTreeMap<String, usize>,
    /// Longest silence of each call and direction that had audio: median.
    pub gap_p50: Duration,
    /// Of the same, the 99th percentile.
    pub gap_p99: Duration,
    /// Of the same, the longest.
    pub gap_max: Duration,
    /// Packets sent.
    pub sent: u64,
    /// Packets received.
    pub received: u64,
    /// Packets lost on the way.
    pub lost: u64,
    /// Packets twice or out of order.
    pub behind: u64,
    /// Packets of other calls, or changed.
    pub foreign: u64,
    /// Packets from other addresses than negotiated.
    pub strange: u64,
}

impl Summary {
    /// Of these calls.
    #[must_use]
    pub fn of(calls: &[CallView]) -> Self {
        let mut all = Self { calls: calls.len(), ..Self::default() };
        let mut gaps = Vec::new();
        for call in calls {
            all.answered += usize::from(call.near.answered.is_some());
            all.over += usize::from(call.is_over());
            for side in Side::BOTH {
                let Some(leg) = call.leg(side) else { continue };
                all.add(side, leg);
                if leg.sound.received > 0 {
                    gaps.push(leg.sound.gap_max);
                }
            }
        }
        gaps.sort_unstable();
        (all.gap_p50, all.gap_p99) = (part(&gaps, 50), part(&gaps, 99));
        all.gap_max = gaps.last().copied().unwrap_or_default();
        all
    }

    fn add(&mut self, side: Side, leg: &LegView) {
        *self.phases.entry(format!("{side:?} {:?}", leg.phase)).or_default() += 1;
        if let Some(end) = leg.end {
            *self.ends.entry(format!("{side:?} {}", name(end))).or_default() += 1;
        }
        self.sent += leg.sound.sent;
        self.received += leg.sound.received;
        self.lost += leg.sound.lost;
        self.behind += leg.sound.behind;
        self.foreign += leg.sound.foreign;
        self.strange += leg.sound.strange;
    }

    /// As one JSON object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let phases: BTreeMap<&String, usize> = self
            .phases
            .iter()
            .filter(|(name, _)| !name.ends_with(&format!("{:?}", Phase::Ended)))
            .map(|(name, count)| (name, *count))
            .collect();
        json!({
            "calls": self.calls, "answered": self.answered, "over": self.over,
            "ends": self.ends, "phases": phases,
            "gap_ms": {"p50": ms(self.gap_p50), "p99": ms(self.gap_p99), "max": ms(self.gap_max)},
            "sent": self.sent, "received": self.received, "lost": self.lost,
            "behind": self.behind, "foreign": self.foreign, "strange": self.strange,
        })
    }
}

fn name(end: End) -> String {
    match end {
        End::Refused { code, .. } => format!("refused {code}"),
        End::ByeRefused(code) => format!("BYE refused {code}"),
        End::LocalBye
        | End::RemoteBye
        | End::LocalCancel
        | End::RemoteCancel
        | End::Silent
        | End::NoAck => format!("{end:?}"),
    }
}

/// The value below which `percent` of the sorted values lie.
fn part(sorted: &[Duration], percent: usize) -> Duration {
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let ms: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(part(&ms, 50), Duration::from_millis(100));
        assert_eq!(part(&ms, 99), Duration::from_millis(198));
        assert_eq!(part(&ms[..1], 99), Duration::from_millis(1));
        assert_eq!(part(&[], 50), Duration::ZERO);
    }
}
