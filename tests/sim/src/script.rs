//! Scripts from a seed.

use crate::agent::{After, Callee, Caller};
use crate::law::Breach;
use crate::world::{Action, CARRIER, World, WorldConfig};

/// All phones register and hear of it.
///
/// # Errors
/// The first law that was broken.
pub fn register_all(world: &mut World) -> Result<(), Breach> {
    for phone in 0..CARRIER {
        world.at(10 * phone as u64, Action::Register(phone, 3_600));
    }
    world.run_ms(1_000)
}

/// One call from 1001 to 44 by the carrier.
///
/// # Errors
/// The first law that was broken.
pub fn one_call(config: WorldConfig) -> Result<Option<World>, Breach> {
    let Some(mut world) = World::new(config) else { return Ok(None) };
    register_all(&mut world)?;
    world.at(0, Action::Expect(CARRIER, Callee::answering(500, After::listen())));
    let to = "44201234".to_owned();
    world.at(0, Action::Call(0, Caller { to, cancel_ms: None, after: After::talk(3_000) }));
    world.run_ms(10_000)?;
    world.quiesce()?;
    Ok(Some(world))
}
