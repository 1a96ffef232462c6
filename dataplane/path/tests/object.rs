//! The committed object is what the source in the tree says.

#![cfg(test)]

use std::path::Path;
use std::process::Command;

use strowger_path::{OBJECT, Object, PROGRAM};

/// The compiler that made the committed object; another one may choose other instructions.
const CLANG: &str = "clang version 14.";

fn instructions(object: &[u8]) -> Vec<u8> {
    let number = |name: &str| ["places", "flows", "sockets"].iter().position(|one| *one == name);
    let map = |name: &str| number(name).and_then(|at| i32::try_from(at + 1).ok());
    Object::new(object).unwrap().instructions(PROGRAM, map).unwrap()
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn the_committed_object_is_built_from_the_source() {
    let version = Command::new("clang").arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let Ok(version) = version else {
        eprintln!("SKIPPED: no clang here, the committed object was not built again");
        return;
    };
    let new = std::env::temp_dir().join(format!("strowger-steer-{}.o", std::process::id()));
    let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("bpf/build.sh");
    let output = Command::new(build).arg(&new).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let built = std::fs::read(&new).unwrap();
    std::fs::remove_file(&new).unwrap();
    let built = instructions(&built);
    if version.contains(CLANG) {
        assert_eq!(built, instructions(OBJECT), "bpf/build.sh makes it anew");
    } else {
        eprintln!("SKIPPED: {version} is not {CLANG}, its instructions were not compared");
    }
}
