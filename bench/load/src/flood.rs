//! Packets at one port that nobody wants there: so many a second, from a thread of their own, so
//! that the load beside them keeps its pace.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Most packets a second that may be asked for.
const RATE_MAX: f64 = 1_000_000.0;
/// How often some are sent.
const STEP: Duration = Duration::from_millis(1);
/// A receiver report without blocks, padded to the length of a packet of audio.
const PACKET: [u8; 172] = {
    let mut packet = [0; 172];
    packet[0] = 0x80;
    packet[1] = 201;
    packet[3] = 1;
    packet
};

/// A flood that goes on.
pub(crate) struct Flood {
    over: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Flood {
    /// Begins one from `from`, any port, to `to`.
    pub(crate) fn begin(from: IpAddr, to: SocketAddr, rate: f64) -> Result<Flood, String> {
        if !(1_000.0..=RATE_MAX).contains(&rate) {
            return Err(format!("--flood is 1000 to {RATE_MAX}, is {rate}"));
        }
        let socket = UdpSocket::bind((from, 0)).map_err(|e| format!("flood: {e}"))?;
        let over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            let (began, mut sent) = (Instant::now(), 0);
            while !told.load(Ordering::Relaxed) {
                let due = (began.elapsed().as_secs_f64() * rate) as u64;
                while sent < due {
                    // What the system does not take is not part of the flood.
                    let _full = socket.send_to(&PACKET, to);
                    sent += 1;
                }
                std::thread::sleep(STEP);
            }
            sent
        });
        Ok(Flood { over, thread })
    }

    /// Ends it; how many packets there were.
    pub(crate) fn end(self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::Flood;
    use std::net::UdpSocket;
    use std::time::Duration;

    #[test]
    fn a_flood_comes_at_its_rate() {
        let there = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = there.local_addr().unwrap();
        assert!(Flood::begin(to.ip(), to, 999.0).is_err());
        let flood = Flood::begin(to.ip(), to, 10_000.0).unwrap();
        std::thread::sleep(Duration::from_millis(300));
        assert!(flood.end() >= 2_000);
        let mut packet = [0; 256];
        assert_eq!(there.recv(&mut packet).unwrap(), 172);
    }
}
