//! Named scenarios.

use strowger_sim::script;
use strowger_sim::world::WorldConfig;

#[test]
fn one_call_is_carried_recorded_and_paid() {
    let world = match script::one_call(WorldConfig::perfect(1)) {
        Ok(world) => world.expect("a world"),
        Err(breach) => panic!("{breach}"),
    };
    assert_eq!(world.control.store.cdrs().len(), 1);
}
