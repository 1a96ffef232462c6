use super::*;
use std::collections::BTreeMap;

fn space(addresses: &[&str]) -> FlowSpace {
    let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
    FlowSpace { addresses, port_min: 16_384, port_max: 16_415, shards: 2 }
}

/// Over memory of our own, which is what the array is once it is mapped.
fn offloads(addresses: &[&str]) -> Offloads {
    let space = space(addresses);
    let words = space.pairs() as usize * OFFLOAD_WORDS;
    let (_fd, mapping) = crate::shm::create_memfd(c"offloads", words).unwrap();
    Offloads::over(space, mapping).unwrap()
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

const PORT: MediaPort = MediaPort { address: 0, port: 16_386 };
const OUT: MediaPort = MediaPort { address: 1, port: 16_388 };

fn offload() -> Offload {
    Offload {
        from: at("192.0.2.7:4000"),
        to: at("198.51.100.9:5002"),
        out: OUT,
        payload_types: 1 << 127 | 1 << 8 | 1,
        event: Some(101),
        clock_hz: 8_000,
        packets_max: 2_000,
    }
}

fn hop() -> Hop {
    let mac = [2, 0x77, 0, 1, 2, 3];
    Hop { interface: 3, next: at("203.0.113.1:0").ip(), mac, len_max: 1_500, dscp: 46 }
}

fn tally() -> Tally {
    Tally {
        packets: 1 << 40,
        octets: 172 << 40,
        first: Tick(5),
        last: Tick(SECOND),
        flooded: 9,
        lost_before: 4,
        base: 65_000,
        cycles: 2 << 16,
        received: 77,
        highest: 0xfffe,
        ssrc: 0xdead_beef,
        transit: Some(0x8000_0001),
        jitter_16: 160,
        jitter_16_max: 3_200,
        payload_type: Some(8),
    }
}

const NOW: Tick = Tick(10 * SECOND);
const UNTIL: Tick = Tick(20 * SECOND);

#[test]
fn what_is_given_comes_back() {
    let offloads = offloads(&["10.0.0.1", "10.0.0.2"]);
    let give =
        |tally: &Tally, now| offloads.give((PORT, 1), (&offload(), &hop()), tally, (UNTIL, now));
    for tally in [tally(), Tally { transit: None, payload_type: None, ..tally() }] {
        let now = NOW.plus_ns(load(offloads.entry(PORT).unwrap(), BACK).unwrap());
        assert!(give(&tally, now));
        assert!(!give(&tally, now), "it is away");
        assert_eq!(offloads.given(PORT), Some(offload()));
        assert_eq!(offloads.tally(PORT), Some(tally));
        assert_eq!(offloads.ports_away(1).collect::<Vec<_>>(), [PORT]);
        assert_eq!(offloads.ports_away(0).count(), 0);
        assert!(offloads.extend(PORT, &hop(), Tick(30 * SECOND)));
        assert!(!offloads.extend(PORT, &Hop { interface: 4, ..hop() }, UNTIL));
        assert!(!offloads.extend(PORT, &Hop { mac: [2, 0x77, 0, 1, 2, 4], ..hop() }, UNTIL));
        assert_eq!(offloads.take_back(PORT, now), Some(tally));
        assert_eq!(offloads.take_back(PORT, now), None);
        assert_eq!((offloads.given(PORT), offloads.tally(PORT)), (None, None));
        assert!(!give(&tally, now.plus_ns(REST_NS - 1)), "it has not rested");
    }
    assert!(give(&tally(), Tick(100 * SECOND)));
}

#[test]
fn what_does_not_fit_stays() {
    let offloads = offloads(&["10.0.0.1", "10.0.0.2", "2001:db8::1"]);
    let refused = |port, offload: &Offload, hop: &Hop| {
        !offloads.give((port, 0), (offload, hop), &tally(), (UNTIL, NOW))
    };
    let port = |address, port| MediaPort { address, port };
    for other in [port(0, 16_387), port(3, 16_386), port(0, 16_382), port(0, 16_416)] {
        assert!(refused(other, &offload(), &hop()), "{other:?}");
    }
    assert!(refused(port(2, 16_386), &offload(), &hop()));
    for bad in [
        Offload { from: at("[2001:db8::7]:1"), ..offload() },
        Offload { to: at("[2001:db8::7]:1"), ..offload() },
        Offload { out: port(2, 16_388), ..offload() },
        Offload { out: port(3, 16_388), ..offload() },
    ] {
        assert!(refused(PORT, &bad, &hop()), "{bad:?}");
    }
    assert!(refused(PORT, &offload(), &Hop { next: at("[fe80::1]:0").ip(), ..hop() }));
    assert_eq!((offloads.ports_away(0).count(), offloads.tally(PORT)), (0, None));
}

/// The bytes that `struct entry` and `struct way` of the program are read by.
#[test]
fn entries_are_laid_out_as_the_program_reads_them() {
    let offloads = offloads(&["10.0.0.1", "10.0.0.2"]);
    assert!(offloads.give((PORT, 1), (&offload(), &hop()), &tally(), (UNTIL, NOW)));
    let entry = offloads.entry(PORT).unwrap();
    let bytes: Vec<u8> =
        (0..OFFLOAD_WORDS).flat_map(|at| load(entry, at).unwrap().to_ne_bytes()).collect();
    assert_eq!((bytes.len(), WAYS), (384, [128 / 8, 256 / 8]));
    let long = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
    let word = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap());
    assert_eq!((word(0), word(8), word(24), word(32)), (3, 1 << 40, SECOND, 0));
    assert_eq!((long(40), long(44)), (77, 2 << 16));
    assert_eq!((&bytes[48..52], long(52)), (&[0xfe, 0xff, 8, 1][..], 0x8000_0001));
    assert_eq!((long(56), long(60), word(64)), (160, 3_200, 9));
    // The second way is in force after the first time.
    let way = 256;
    assert_eq!(word(way), UNTIL.0);
    assert_eq!(&bytes[way + 8..way + 12], [192, 0, 2, 7]);
    assert_eq!(&bytes[way + 24..way + 28], [198, 51, 100, 9]);
    assert_eq!(&bytes[way + 40..way + 44], [10, 0, 0, 2]);
    assert_eq!(&bytes[way + 56..way + 60], [203, 0, 113, 1]);
    let ports = [4_000u16, 5_002, 16_388].map(u16::to_be_bytes).concat();
    assert_eq!(&bytes[way + 72..way + 78], ports);
    assert_eq!(&bytes[way + 78..way + 80], 1_500u16.to_ne_bytes());
    assert_eq!((long(way + 88), &bytes[way + 92..way + 96]), (3, &[0xde, 0xad, 0xbe, 0xef][..]));
    assert_eq!((word(way + 96), word(way + 104)), (0x101, 1 << 63));
    assert_eq!((long(way + 112), &bytes[way + 116..way + 120]), (8_000, &[2, 46, 101, 1][..]));
    assert_eq!(long(way + 84), 500_000);
    assert_eq!(bytes[way + 120..way + 128], [2, 0x77, 0, 1, 2, 3, 0, 0]);
    let mapped = (way + 8..way + 72).filter(|at| (at - way) % 16 >= 12 || (at - way) % 16 < 8);
    assert!(mapped.clone().count() > 40 && mapped.into_iter().all(|at| bytes[at] == 0));
}

/// RFC 1624: a header with the difference added is a header summed anew.
#[test]
fn differences_are_those_of_the_checksum() {
    let sum = |ips: &[IpAddr], ports: [u16; 2]| {
        let ips = ips.iter().flat_map(|ip| address_words(*ip)).flat_map(quarters_of);
        let mut sum: u32 = ips.chain(ports).map(u32::from).sum::<u32>() + 0x1234;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum
    };
    let mut chance = 11u64;
    let mut draw = || {
        chance = chance.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        chance >> 32
    };
    for round in 0..2_000 {
        let mut ip = || match round % 2 {
            0 => IpAddr::from((draw() as u32).to_be_bytes()),
            _ => IpAddr::from((u128::from(draw()) << 64 | u128::from(draw())).to_be_bytes()),
        };
        let (old, new) = ([ip(), ip()], [ip(), ip()]);
        let (from, to) = ([draw() as u16, draw() as u16], [draw() as u16, draw() as u16]);
        let differences = [difference(&old, &new), port_difference(from, to)].map(u32::from);
        let changed = sum(&old, from) + differences[0] + differences[1];
        let changed = (changed & 0xffff) + (changed >> 16);
        let (one, other) = ((changed & 0xffff) + (changed >> 16), sum(&new, to));
        // Both are 0 in ones' complement.
        assert!(one == other || one % 0xffff == other % 0xffff, "{round}");
    }
}

/// A run of the program: what it has read so far.
struct Reader {
    began: u64,
    state: u64,
    read: Vec<u64>,
}

impl Reader {
    fn begin(entry: &[AtomicU64], began: u64) -> Reader {
        Reader { began, state: load(entry, STATE).unwrap(), read: Vec::new() }
    }

    /// Reads so many words more; what is wrong with them at the end.
    fn read(&mut self, entry: &[AtomicU64], words: usize, whole: &BTreeMap<u64, u64>) {
        for _ in 0..words.min(WAY_WORDS - self.read.len()) {
            self.read.push(load(entry, place(self.state) + self.read.len()).unwrap());
        }
        if self.read.len() == WAY_WORDS && self.state & AWAY != 0 {
            let given = whole.get(&self.state);
            let until = self.read[0];
            assert!(given.is_some_and(|seed| self.read[1..].iter().all(|word| word == seed)));
            assert!(until >= given.copied().unwrap());
        }
    }
}

/// In whatever order flows are given, taken back and let go on, and wherever the program is between
/// two stores: a way that it reads whole is one that was given whole.
#[test]
fn no_half_entry_is_ever_seen() {
    let offloads = offloads(&["10.0.0.1", "10.0.0.2"]);
    let entry = offloads.entry(PORT).unwrap();
    let mut chance = 3u64;
    let mut draw = |below: u64| {
        chance = chance.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (chance >> 33) % below
    };
    let (mut now, mut given, mut refused) = (10 * SECOND, 0u32, 0u32);
    let mut whole = BTreeMap::new();
    let mut readers: Vec<Reader> = Vec::new();
    for seed in 1..=6_000u64 {
        now += draw(REST_NS * 3 / 4);
        // No run of the program takes as long as an entry rests.
        readers.retain_mut(|reader| {
            let is_over = now - reader.began >= REST_NS;
            reader.read(entry, if is_over { WAY_WORDS } else { 2 }, &whole);
            !is_over && reader.read.len() < WAY_WORDS
        });
        match draw(3) {
            0 => {
                let state = load(entry, STATE).unwrap();
                let next = ((state | AWAY) + AWAY) | AWAY;
                if state & AWAY == 0 {
                    whole.insert(next, seed);
                }
                let way = [seed; WAY_WORDS];
                let mut pick = Vec::new();
                pick.extend((0..64).map(|_| draw(4)));
                let is_given =
                    give(entry, (&way, &words_of(&tally())), Tick(now), |entry| match pick.pop() {
                        Some(0) if readers.len() < 8 => readers.push(Reader::begin(entry, now)),
                        Some(words) => readers
                            .iter_mut()
                            .for_each(|reader| reader.read(entry, words as usize, &whole)),
                        None => {}
                    });
                given += u32::from(is_given);
                refused += u32::from(!is_given);
            }
            1 => {
                let _carried = offloads.take_back(PORT, Tick(now));
            }
            _ => {
                let state = load(entry, STATE).unwrap();
                if state & AWAY != 0 {
                    store(entry, place(state), now);
                }
            }
        }
        readers.push(Reader::begin(entry, now));
    }
    assert!(given > 500 && refused > 500, "{given} {refused}");
}
