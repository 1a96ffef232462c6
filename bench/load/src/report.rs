//! Counts and times, and how they are told.

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};
use strowger_link::Tick;

/// Longest time told, microseconds: two minutes. Longer ones count as this.
const TIME_US_MAX: u64 = 120_000_000;

/// Times of one kind.
pub(crate) struct Times {
    histogram: Option<Histogram<u64>>,
}

impl Times {
    pub(crate) fn new() -> Times {
        Times { histogram: Histogram::new_with_bounds(1, TIME_US_MAX, 3).ok() }
    }

    /// From when it was meant to begin until it had happened.
    pub(crate) fn add(&mut self, intended: Tick, now: Tick) {
        let us = now.ns_since(intended) / 1_000;
        if let Some(histogram) = &mut self.histogram {
            histogram.saturating_record(us.clamp(1, TIME_US_MAX));
        }
    }

    /// Milliseconds at some quantiles, and how many there are.
    pub(crate) fn told(&self) -> Value {
        let Some(histogram) = &self.histogram else { return Value::Null };
        let ms = |us: u64| (us as f64) / 1_000.0;
        json!({
            "n": histogram.len(),
            "p50": ms(histogram.value_at_quantile(0.50)),
            "p90": ms(histogram.value_at_quantile(0.90)),
            "p99": ms(histogram.value_at_quantile(0.99)),
            "max": ms(histogram.max()),
        })
    }
}

/// How often each final status came.
#[derive(Default)]
pub(crate) struct Statuses {
    counts: std::collections::BTreeMap<u16, u64>,
}

impl Statuses {
    pub(crate) fn add(&mut self, status: u16) {
        *self.counts.entry(status).or_default() += 1;
    }

    pub(crate) fn told(&self) -> Value {
        let pairs = self.counts.iter().map(|(status, n)| (status.to_string(), json!(n)));
        Value::Object(pairs.collect::<Map<_, _>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_milliseconds() {
        let mut times = Times::new();
        for ms in 1..=100u64 {
            times.add(Tick(0), Tick(ms * 1_000_000));
        }
        let told = times.told();
        assert_eq!(told["n"], 100);
        let p99 = told["p99"].as_f64().unwrap();
        assert!((98.9..99.2).contains(&p99), "{p99}");
    }
}
