//! Every profile of this folder is a configuration that the product takes.

use std::collections::BTreeMap;
use std::path::Path;
use strowger_tuning::Config;

/// The profiles by their names.
fn profiles() -> std::io::Result<BTreeMap<String, String>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles");
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        Ok((name, std::fs::read_to_string(entry.path())?))
    };
    std::fs::read_dir(folder)?.map(read).collect()
}

#[test]
fn every_profile_is_taken() {
    let profiles = profiles().unwrap();
    let names: Vec<&str> = profiles.keys().map(String::as_str).collect();
    assert_eq!(names, ["host-16-core.toml", "laptop.toml", "vm-2-core.toml"]);
    for (name, text) in &profiles {
        if let Err(problem) = Config::parse(text) {
            panic!("{name}: {problem}");
        }
    }
}

#[test]
fn the_laptop_shows_the_defaults() {
    let laptop = Config::parse(&profiles().unwrap()["laptop.toml"]).unwrap();
    let mut expected = Config::default();
    expected.cores.slots = 1024;
    expected.journal.segment_mib = 4;
    assert_eq!(laptop, expected);
}

#[test]
fn servers_have_ports_for_their_slots() {
    for name in ["vm-2-core.toml", "host-16-core.toml"] {
        let config = Config::parse(&profiles().unwrap()[name]).unwrap();
        let ports = u32::from(config.media.port_max - config.media.port_min) + 1;
        let calls = u32::try_from(config.media.addresses.len()).unwrap() * ports / 4;
        assert!(config.slots() <= calls, "{name}: {} slots, ports for {calls}", config.slots());
    }
}
