//! Packets by one socket for all ports allocate nothing.

#![cfg(test)]

#[expect(dead_code, reason = "the other tests use the rest")]
mod scene;

use scene::{World, at, config, inside, phone};
use strowger_path::Steering;
use strowger_port::net::{Io, MediaPort};

const PORTS: [MediaPort; 2] =
    [MediaPort { address: 0, port: 16_384 }, MediaPort { address: 1, port: 32_766 }];
const TURNS: usize = 5_000;
/// After each hundred of them.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(15);

#[test]
#[expect(clippy::disallowed_methods, reason = "a test may wait")]
fn five_thousand_turns_allocate_nothing() {
    if !inside("five_thousand_turns_allocate_nothing") {
        return;
    }
    let steering = Steering::open(&config("lookup"), None).unwrap();
    let mut world = World::steered(&steering);
    let phone = phone("127.0.0.1:0");
    let (here, ours) = (phone.local_addr().unwrap(), PORTS.map(at));
    PORTS.iter().for_each(|port| world.io.open_media(*port).unwrap());
    let turn = |world: &mut World| {
        for port in ours {
            phone.send_to(&[0x80; 172], port).unwrap();
        }
        let mut relayed = 0;
        while relayed < PORTS.len() as u64 {
            relayed += world.relay_all(here);
        }
        for _ in PORTS {
            phone.recv(&mut [0; 256]).unwrap();
        }
    };
    (0..10).for_each(|_| turn(&mut world));
    // The kernel's program lets so many of a port pass in a second and no more.
    let paced = |nth: usize| {
        turn(&mut world);
        if nth.is_multiple_of(100) {
            std::thread::sleep(PAUSE);
        }
    };
    let counted = allocation_counter::measure(|| (0..TURNS).for_each(paced));
    assert_eq!(counted.count_total, 0);
    // Nor does opening and closing a port.
    let counted = allocation_counter::measure(|| {
        for port in PORTS {
            world.io.close_media(port);
            world.io.open_media(port).unwrap();
        }
    });
    assert_eq!(counted.count_total, 0);
}
