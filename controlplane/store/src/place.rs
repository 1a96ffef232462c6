//! Where a database is: a file, or a server whose password stands in a file of its own.

use crate::{StoreError, Tried};
use sqlx::any::AnyConnectOptions;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Longest password file, bytes.
const PASSWORD_BYTES_MAX: u64 = 1024;

/// Where a database is.
#[derive(Clone, Debug)]
pub enum Place {
    /// SQLite, in this file.
    File(PathBuf),
    /// PostgreSQL.
    Server(Server),
}

/// How a server is reached. `Debug` shows nothing of it: it knows the password.
#[derive(Clone)]
pub struct Server {
    pub(crate) options: AnyConnectOptions,
}

impl core::fmt::Debug for Server {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Server")
    }
}

impl Place {
    /// Reads `sqlite:FILE`, `postgres://..` or `postgresql://..`; files are relative to `data`. An
    /// empty `password_file` is none: PostgreSQL's own ways (peer, `.pgpass`) are left.
    ///
    /// # Errors
    /// [`StoreError::Place`]; neither URL nor password stand in it.
    pub fn parse(url: &str, data: &Path, password_file: &Path) -> Result<Place, StoreError> {
        if let Some(file) = url.strip_prefix("sqlite:") {
            return Ok(Place::File(data.join(file)));
        }
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(StoreError::Place("neither sqlite:FILE nor postgres://..".into()));
        }
        let parsed = url.parse::<AnyConnectOptions>();
        let mut options = parsed.map_err(|_| StoreError::Place("no URL".into()))?;
        if !password_file.as_os_str().is_empty() {
            let password = password(&data.join(password_file))?;
            options.database_url.query_pairs_mut().append_pair("password", &password);
        }
        Ok(Place::Server(Server { options }))
    }

    /// What to connect with; `create` makes a missing file.
    pub(crate) fn options(&self, create: bool) -> Result<AnyConnectOptions, StoreError> {
        match self {
            Place::File(file) => {
                let mode = if create { "rwc" } else { "rw" };
                let url = format!("sqlite:{}?mode={mode}", file.display());
                url.parse().tried("open the database")
            }
            Place::Server(server) => Ok(server.options.clone()),
        }
    }
}

/// The first line of a file that its owner alone may read.
fn password(file: &Path) -> Result<String, StoreError> {
    let wrong = |what: &dyn core::fmt::Display| {
        StoreError::Place(format!("the password file {}: {what}", file.display()))
    };
    let open = File::open(file).map_err(|e| wrong(&e))?;
    let about = open.metadata().map_err(|e| wrong(&e))?;
    if about.permissions().mode() & 0o077 != 0 {
        return Err(wrong(&"others than its owner may use it; chmod 600"));
    }
    let mut text = String::new();
    open.take(PASSWORD_BYTES_MAX).read_to_string(&mut text).map_err(|e| wrong(&e))?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.to_owned()),
        Some(_) | None => Err(wrong(&"its first line is empty")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::OpenOptionsExt;

    fn said(url: &str, data: &Path, file: &str) -> String {
        Place::parse(url, data, Path::new(file)).unwrap_err().to_string()
    }

    #[test]
    fn a_file_is_relative_to_the_data() {
        let place = Place::parse("sqlite:a.db", Path::new("/d"), Path::new("")).unwrap();
        assert!(matches!(place, Place::File(file) if file == Path::new("/d/a.db")));
        assert!(said("mysql://x", Path::new("/d"), "").contains("neither sqlite:FILE"));
        assert!(said("postgres://[", Path::new("/d"), "").contains("no URL"));
    }

    #[test]
    fn a_password_comes_from_a_private_file_and_shows_nowhere() {
        let dir = std::env::temp_dir().join(format!("strowger-place-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let write = |name: &str, mode: u32, text: &str| {
            let mut options = std::fs::OpenOptions::new();
            let mut file =
                options.write(true).create(true).truncate(true).mode(mode).open(dir.join(name));
            std::io::Write::write_all(file.as_mut().unwrap(), text.as_bytes()).unwrap();
        };
        write("good", 0o600, "p&=% ss\nnot this\n");
        write("open", 0o644, "x\n");
        write("empty", 0o600, "\n");
        let url = "postgresql:///db?host=/run/x";
        let place = Place::parse(url, &dir, Path::new("good")).unwrap();
        assert!(!format!("{place:?}").contains("ss"));
        let Place::Server(server) = place else { panic!("no server") };
        let given = server.options.database_url.query_pairs().find(|(key, _)| key == "password");
        assert_eq!(given.unwrap().1, "p&=% ss");
        assert!(said(url, &dir, "open").contains("chmod 600"));
        assert!(said(url, &dir, "empty").contains("first line is empty"));
        assert!(said(url, &dir, "gone").contains("gone: No such file"));
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
