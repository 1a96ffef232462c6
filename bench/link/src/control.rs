//! The control plane's side, a process of its own: decodes, answers, decides nothing.

use std::path::Path;
use std::time::{Duration, Instant};

use strowger_link::{Down, FRAME_VERSION, Up};
use strowger_port::pin;
use strowger_port::uplink::Downlink;

use crate::Way;
use crate::frames::answer;

/// Limit for the shard to listen.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Empty looks between two looks at whether the shard is still there.
const LOOKS: u32 = 1 << 20;
/// Longest sleep, milliseconds.
const SLEEP_MS_MAX: u32 = 50;

/// Answers until the shard ends the session; how often it was woken.
pub(crate) fn run(socket: &Path, way: Way) -> Result<u64, String> {
    let cpus = pin::allowed_cpus().map_err(|e| format!("cores: {e}"))?;
    if let (Some(first), true) = (cpus.first(), cpus.len() > 1) {
        pin::pin_current_thread(&[*first]).map_err(|e| format!("core {first}: {e}"))?;
    }
    let mut link = connect(socket)?;
    let mut end = link.shards.pop().ok_or("a session without a shard")?;
    let (mut frame, mut woken, mut empty) = (Vec::new(), 0, 0u32);
    loop {
        if end.calls.recv(&mut frame).map_err(|e| format!("ring: {e:?}"))? {
            let Ok(Up::Ask(ask)) = Up::from_bytes(&frame) else { return Err("no ask".into()) };
            let down = Down::Answer(Box::new(answer(ask.id))).to_bytes();
            end.down.send(&down).map_err(|e| format!("ring: {e:?}"))?;
            end.down.ring();
            empty = 0;
            continue;
        }
        empty += 1;
        if way.sleeps() && end.calls.prepare_sleep() {
            let bell = end.calls.bell();
            woken += u64::from(bell.wait(Some(SLEEP_MS_MAX)).map_err(|e| format!("poll: {e}"))?);
            empty = LOOKS;
        }
        end.calls.finish_sleep();
        if empty >= LOOKS {
            empty = 0;
            // Who was asked last has been answered: the shard leaves only then.
            if link.has_ended() {
                return Ok(woken + u64::from(end.calls.bell().drain()));
            }
        }
        std::hint::spin_loop();
    }
}

fn connect(socket: &Path) -> Result<Downlink, String> {
    let until = Instant::now() + CONNECT_MAX;
    loop {
        match Downlink::connect(socket, FRAME_VERSION.into()) {
            Ok(link) => return Ok(link),
            Err(e) if Instant::now() >= until => return Err(format!("{}: {e}", socket.display())),
            Err(_) => std::thread::yield_now(),
        }
    }
}
