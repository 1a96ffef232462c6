//! The committed objects are what the sources in the tree say.

#![cfg(test)]

use std::path::Path;
use std::process::Command;

use strowger_path::{
    OBJECT, Object, PROGRAM, RELAY_OBJECT, RELAY_PROGRAM, XDP_OBJECT, XDP_PROGRAM,
};

/// The compiler that made the committed object; another one may choose other instructions.
const CLANG: &str = "clang version 14.";
/// Names of sources, what was made of them, and the sections of their programs.
const OBJECTS: [(&str, &[u8], &str); 3] = [
    ("steer", OBJECT, PROGRAM),
    ("relay", RELAY_OBJECT, RELAY_PROGRAM),
    ("xdp", XDP_OBJECT, XDP_PROGRAM),
];
const MAPS: [&str; 6] = ["places", "flows", "sockets", "offloads", "cables", "exits"];

fn instructions(object: &[u8], section: &str) -> Vec<u8> {
    let number = |name: &str| MAPS.iter().position(|one| *one == name);
    let map = |name: &str| number(name).and_then(|at| i32::try_from(at + 1).ok());
    Object::new(object).unwrap().instructions(section, map).unwrap()
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn the_committed_objects_are_built_from_the_sources() {
    let version = Command::new("clang").arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let Ok(version) = version else {
        eprintln!("SKIPPED: no clang here, the committed objects were not built again");
        return;
    };
    for (name, object, section) in OBJECTS {
        let file = format!("strowger-{name}-{}.o", std::process::id());
        let new = std::env::temp_dir().join(file);
        let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("bpf/build.sh");
        let output = Command::new(build).arg(name).arg(&new).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let built = std::fs::read(&new).unwrap();
        std::fs::remove_file(&new).unwrap();
        let built = instructions(&built, section);
        if version.contains(CLANG) {
            let is_same = built == instructions(object, section);
            assert!(is_same, "bpf/build.sh {name} makes it anew");
        } else {
            eprintln!("SKIPPED: {version} is not {CLANG}, {name}'s instructions were not compared");
        }
    }
}
