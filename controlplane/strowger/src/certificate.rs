//! What `check-config` says of certificates: until when each of them is valid, or what is wrong.

use jiff::Timestamp;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::SystemTime;
use strowger_certificate::{Certificate, FILE_LEN_MAX};
use strowger_tuning::Config;

const DAY_S: u64 = 86_400;

/// One line for each certificate of the configuration.
///
/// # Errors
/// One line for a person: the dataplane would not start with these files.
pub(crate) fn describe(config: &Config, now: SystemTime) -> Result<Vec<String>, String> {
    let pairs = config.sip.stream.iter().flat_map(|one| &one.certificates);
    let pairs: BTreeSet<(&Path, &Path)> =
        pairs.map(|pair| (pair.chain.as_path(), pair.key.as_path())).collect();
    let mut lines = Vec::new();
    for (chain, key) in pairs {
        lines.push(line(&config.node.data, (chain, key), now)?);
    }
    if config.acme.is_wanted() {
        let file = config.acme.file();
        // Without a good one the dataplane starts all the same, and another one is asked for.
        let line = line(&config.node.data, (&file, &file), now);
        let names = config.acme.names.join(", ");
        let line = line.unwrap_or_else(|wrong| wrong);
        lines.push(format!("{line}; {} is asked for {names}", config.acme.directory));
    }
    Ok(lines)
}

fn line(data: &Path, (chain, key): (&Path, &Path), now: SystemTime) -> Result<String, String> {
    let name = chain.display();
    for file in [chain, key] {
        let file = data.join(file);
        if !file.exists() {
            return Ok(format!("certificate {name}: {} is not there yet", file.display()));
        }
    }
    let wrong = |e: &dyn std::fmt::Display| format!("certificate {name}: {e}");
    let read = |file: &Path| read(&data.join(file)).map_err(|e| wrong(&e));
    let certificate = Certificate::new(read(chain)?, read(key)?).map_err(|e| wrong(&e))?;
    let until = Timestamp::try_from(certificate.not_after).unwrap_or(Timestamp::MAX);
    Ok(match certificate.not_after.duration_since(now) {
        Ok(left) => {
            let days = left.as_secs() / DAY_S;
            format!("certificate {name}: valid until {until:.0}, {days} days")
        }
        Err(_) => format!("certificate {name}: EXPIRED since {until:.0}"),
    })
}

fn read(file: &Path) -> Result<String, String> {
    let wrong = |e: &dyn std::fmt::Display| format!("{}: {e}", file.display());
    let len = std::fs::metadata(file).map_err(|e| wrong(&e))?.len();
    if len > FILE_LEN_MAX as u64 {
        return Err(wrong(&format!("more than {FILE_LEN_MAX} bytes")));
    }
    std::fs::read_to_string(file).map_err(|e| wrong(&e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};
    use std::path::PathBuf;
    use std::time::Duration;

    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("strowger-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn each_certificate_has_a_line_and_a_pair_that_does_not_fit_is_wrong() {
        let dir = scratch("described");
        let text = "[[sip.stream]]\nlisten = \"127.0.0.1:5061\"\ntransport = \"tls\"\n\
             obtained = true\ncertificates = [{ chain = \"c.pem\", key = \"k.pem\" }]\n\
             [acme]\nnames = [\"sip.example.com\"]\nterms_agreed = true";
        let mut config = Config::parse(text).unwrap();
        config.node.data.clone_from(&dir);
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        let lines = describe(&config, now).unwrap();
        assert!(lines[0].starts_with("certificate c.pem: ") && lines[0].ends_with("not there yet"));
        let asked = "; https://acme-v02.api.letsencrypt.org/directory is asked for sip.example.com";
        assert!(lines[1].ends_with(asked), "{lines:?}");
        let (key, mut params) =
            (KeyPair::generate().unwrap(), CertificateParams::new(vec!["a.b".into()]).unwrap());
        for (until, says) in [
            (2027, "certificate c.pem: valid until 2027-01-01T00:00:00Z, 365 days"),
            (2025, "certificate c.pem: EXPIRED since 2025-01-01T00:00:00Z"),
        ] {
            params.not_after = date_time_ymd(until, 1, 1);
            std::fs::write(dir.join("c.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
            std::fs::write(dir.join("k.pem"), key.serialize_pem()).unwrap();
            assert_eq!(describe(&config, now).unwrap()[0], says);
        }
        let other = KeyPair::generate().unwrap().serialize_pem();
        std::fs::write(dir.join("k.pem"), other).unwrap();
        let wrong = describe(&config, now).unwrap_err();
        assert!(wrong.starts_with("certificate c.pem: the key is no PEM"), "{wrong}");
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
