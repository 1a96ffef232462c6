//! Configuration over REST: what is written is in force within a second, without a restart.

use std::time::{Duration, Instant};

use crate::demo::{Demo, Home, eventually};
use crate::talk::{Talk, desk, phone};
use crate::{assert_tidy, tell};
use strowger_phone::flows::ALICE;

/// Time in which a change must be in force.
const IN_FORCE_MAX: Duration = Duration::from_secs(1);

/// Tries until `look` finds what it looks for, and says how long that took.
fn in_force(what: &str, look: impl Fn() -> bool) -> Duration {
    let began = Instant::now();
    eventually(what, || look().then_some(()));
    let took = began.elapsed();
    assert!(took <= IN_FORCE_MAX, "{what}: {took:?}");
    took
}

#[test]
fn a_subscriber_made_by_rest_calls_and_is_switched_off() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let body = r#"{"tenant":"1","account":"1","organization":"2","username":"1003",
        "password":"first secret","numbers":["1003"]}"#;
    let (status, made) = demo.rest.post("/api/v1/subscribers", "cleo", body);
    assert_eq!(status, 201, "{made}");
    let target = format!("/api/v1/subscribers/{}", made["id"].as_str().unwrap());
    let old = phone(&demo, ("1003", "first secret"));
    let times = [in_force("the new subscriber registers", || old.register(300).is_ok())];
    let ada = desk(&demo, ALICE);
    Talk::new(&ada, "1003", &old).end_after(Duration::from_millis(300));

    assert_eq!(demo.rest.patch(&target, r#"{"password":"second secret"}"#).0, 200);
    let refused = in_force("the old password is refused", || {
        let stale = phone(&demo, ("1003", "first secret"));
        stale.register(300).is_err()
    });
    let new = phone(&demo, ("1003", "second secret"));
    new.register(300).unwrap();
    Talk::new(&ada, "1003", &new).end_after(Duration::from_millis(300));

    assert_eq!(demo.rest.patch(&target, r#"{"enabled":false}"#).0, 200);
    let off = in_force("its registrations end", || {
        let all = demo.rest.list("/api/v1/registrations");
        all.iter().all(|contact| contact["username"] != "1003")
    });
    assert!(new.register(300).is_err());
    assert_eq!(demo.rest.delete(&target), 204);
    assert_eq!(demo.rest.status("GET", &target), 404);
    tell(&format!("in force after {times:?}, {refused:?}, {off:?}"));
    assert_tidy(&demo);
    demo.stop();
}
