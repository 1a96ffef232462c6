//! The edge snapshot: made anew when the world has changed, and sent as fast as the ring takes it.
//!
//! A snapshot with more sources than a frame may hold is sent in pages; the last frame makes it
//! count. One that is made while another is on its way takes its place.

use std::collections::VecDeque;
use strowger_link::{Down, Edge, EdgePage, Tick};
use strowger_port::clock;
use strowger_routing::{EdgeSettings, World, bans_end, denied, edge};
use tracing::warn;

/// Sources of one frame: 15 KiB at most.
const PAGE: usize = 512;
/// A new snapshot is made so long after the last one at the earliest, milliseconds: many bans that
/// are made one after the other are sent together.
const AGAIN_MS: u64 = 100;

/// Makes edge snapshots.
pub(crate) struct EdgeSource {
    nonce_key: [u8; 16],
    version: u64,
    due: bool,
    /// When bans begin or end next, microseconds.
    bans_at_us: Option<i64>,
    /// Not before.
    again: Tick,
    /// What is still to be sent, in order.
    frames: VecDeque<Vec<u8>>,
}

impl EdgeSource {
    /// `nonce_key` is secret and kept over restarts, so that phones need not be challenged anew.
    pub(crate) const fn new(nonce_key: [u8; 16]) -> EdgeSource {
        EdgeSource {
            nonce_key,
            version: 0,
            due: false,
            bans_at_us: None,
            again: Tick(0),
            frames: VecDeque::new(),
        }
    }

    /// The world has changed.
    pub(crate) const fn changed(&mut self) {
        self.due = true;
    }

    /// Makes a new snapshot, if one is due: the world has changed, or a ban has begun or ended.
    /// Whether it did: none of its frames has been sent then.
    pub(crate) fn refresh(&mut self, world: &World, now: Tick) -> bool {
        let bans = self.bans_at_us.is_some_and(|at| at <= clock::wall_us());
        (self.due || bans) && now >= self.again && self.make(world, now)
    }

    /// Makes a snapshot; `false` while there is no tenant.
    pub(crate) fn make(&mut self, world: &World, now: Tick) -> bool {
        let now_us = clock::wall_us();
        let Some(tenant) = world.tenants().next() else { return false };
        self.due = false;
        self.again = now.plus_ms(AGAIN_MS);
        self.version += 1;
        self.bans_at_us = bans_end(world, now_us);
        let settings = EdgeSettings {
            version: self.version,
            tenant: tenant.id,
            nonce_key: self.nonce_key,
            denied: denied(world, now_us),
        };
        let Some((edge, left_out)) = edge(world, &settings) else { return false };
        if left_out > 0 {
            warn!(left_out, "bans found no room in the edge snapshot");
        }
        self.frames = frames(edge);
        true
    }

    /// The next frame to send; [`EdgeSource::sent`] when it is on its way.
    pub(crate) fn next(&self) -> Option<&[u8]> {
        self.frames.front().map(Vec::as_slice)
    }

    /// The frame that [`EdgeSource::next`] gave is on its way.
    pub(crate) fn sent(&mut self) {
        self.frames.pop_front();
    }
}

fn frames(mut edge: Edge) -> VecDeque<Vec<u8>> {
    let pages = edge.sources.len().saturating_sub(1) / PAGE;
    let own = edge.sources.split_off(pages * PAGE);
    let version = edge.version;
    let page = |sources: &[strowger_link::EdgeSource]| {
        Down::EdgePage(Box::new(EdgePage { version, sources: sources.to_vec() })).to_bytes()
    };
    let mut frames: VecDeque<Vec<u8>> = edge.sources.chunks(PAGE).map(page).collect();
    edge.sources = own;
    frames.push_back(Down::Edge(Box::new(edge)).to_bytes());
    frames
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;
    use strowger_link::SourceAction;

    fn sent(count: u32) -> Vec<Down> {
        let source = |n: u32| strowger_link::EdgeSource {
            network: IpAddr::from(n.to_be_bytes()),
            prefix_len: 32,
            port: 0,
            action: SourceAction::Deny,
        };
        let edge = Edge {
            version: 7,
            realm: "r".into(),
            algorithms: Vec::new(),
            nonce_key: [0; 16],
            nonce_valid_s: 60,
            sources: (0..count).map(source).collect(),
            emergency: Vec::new(),
        };
        frames(edge).iter().map(|frame| Down::from_bytes(frame).unwrap()).collect()
    }

    /// Everything arrives in order, and the snapshot itself comes last.
    #[test]
    fn long_lists_go_in_pages() {
        for (count, pages) in [(0, 0), (1, 0), (512, 0), (513, 1), (1_024, 1), (100_000, 195)] {
            let mut frames = sent(count);
            let Some(Down::Edge(edge)) = frames.pop() else { panic!("{count}") };
            assert_eq!(frames.len(), pages, "{count}");
            let mut all = Vec::new();
            for frame in frames {
                let Down::EdgePage(page) = frame else { panic!("{count}") };
                assert_eq!((page.version, page.sources.len()), (7, PAGE));
                all.extend(page.sources);
            }
            assert!(edge.sources.len() <= PAGE && edge.version == 7);
            all.extend(edge.sources);
            let expect = (0..count).map(|n| IpAddr::from(n.to_be_bytes()));
            assert!(all.iter().map(|source| source.network).eq(expect), "{count}");
        }
    }
}
