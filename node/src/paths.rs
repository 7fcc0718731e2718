//! Where everything lies on disk. Commands and `up` get a [`Paths`]; nobody else asks for `HOME`.
//!
//! `POMONA_HOME` (or `--home`) gathers everything in one folder. Otherwise Linux follows the XDG folders and
//! macOS has `~/Library/Application Support/pomona`.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

use crate::exit::Exit;

/// Where everything lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Paths {
    /// `config.toml`; need not exist.
    pub(crate) config_file: PathBuf,
    /// The keys that open the API; made by the gateway on its first start.
    pub(crate) key_file: PathBuf,
    /// Lock, `gateway.json`, chat history, models.
    pub(crate) data_dir: PathBuf,
    /// Log files.
    pub(crate) logs_dir: PathBuf,
    /// The folder that holds everything, when one was asked for.
    pub(crate) home: Option<PathBuf>,
}

impl Paths {
    /// The places of this user, or those below `home` (which wins) or `POMONA_HOME`. Makes nothing.
    pub(crate) fn discover(home: Option<&Path>) -> anyhow::Result<Self> {
        Self::resolve(home, &|name| std::env::var_os(name), cfg!(target_os = "macos"))
            .map_err(|error| Exit::Configuration.because(error))
    }

    fn resolve(
        home: Option<&Path>,
        variable: &dyn Fn(&str) -> Option<OsString>,
        is_mac: bool,
    ) -> anyhow::Result<Self> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        if let Some(home) = home.map(Path::to_owned).or_else(|| set("POMONA_HOME")) {
            let home =
                std::path::absolute(&home).with_context(|| format!("cannot use {}", home.display()))?;
            return Ok(Self::below(home));
        }
        let user = set("HOME")
            .filter(|path| path.is_absolute())
            .ok_or_else(|| anyhow!("HOME is not set; name a folder with --home or POMONA_HOME"))?;
        if is_mac {
            let folder = user.join("Library/Application Support/pomona");
            return Ok(Self::of(folder.clone(), folder));
        }
        // The XDG rules say that a relative path is to be ignored.
        let xdg = |name: &str, default: &str| {
            set(name).filter(|path| path.is_absolute()).unwrap_or_else(|| user.join(default)).join("pomona")
        };
        Ok(Self::of(xdg("XDG_CONFIG_HOME", ".config"), xdg("XDG_DATA_HOME", ".local/share")))
    }

    fn of(config_dir: PathBuf, data_dir: PathBuf) -> Self {
        Self {
            config_file: config_dir.join("config.toml"),
            key_file: config_dir.join("key"),
            logs_dir: data_dir.join("logs"),
            data_dir,
            home: None,
        }
    }

    fn below(home: PathBuf) -> Self {
        Self {
            config_file: home.join("config.toml"),
            key_file: home.join("key"),
            data_dir: home.join("data"),
            logs_dir: home.join("logs"),
            home: Some(home),
        }
    }
}

/// Makes a folder that only its owner can enter, with its parents; one that exists is left as it is.
pub(crate) fn make_private(folder: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("cannot make the folder {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(home: Option<&str>, variables: &[(&str, &str)], is_mac: bool) -> anyhow::Result<Paths> {
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        };
        Paths::resolve(home.map(Path::new), &variable, is_mac)
    }

    fn check(home: Option<&str>, variables: &[(&str, &str)], is_mac: bool, expected: [&str; 4]) {
        let paths = resolved(home, variables, is_mac).unwrap();
        let found = [&paths.config_file, &paths.key_file, &paths.data_dir, &paths.logs_dir];
        assert_eq!(found.map(|path| path.to_str().unwrap()), expected);
    }

    #[test]
    fn linux_follows_the_xdg_folders() {
        let defaults = [
            "/home/u/.config/pomona/config.toml",
            "/home/u/.config/pomona/key",
            "/home/u/.local/share/pomona",
            "/home/u/.local/share/pomona/logs",
        ];
        check(None, &[("HOME", "/home/u")], false, defaults);
        check(
            None,
            &[("HOME", "/home/u"), ("XDG_DATA_HOME", "relative"), ("POMONA_HOME", "")],
            false,
            defaults,
        );
        check(
            None,
            &[("HOME", "/home/u"), ("XDG_CONFIG_HOME", "/c"), ("XDG_DATA_HOME", "/d")],
            false,
            ["/c/pomona/config.toml", "/c/pomona/key", "/d/pomona", "/d/pomona/logs"],
        );
    }

    #[test]
    fn a_mac_has_everything_in_application_support() {
        let folder = "/Users/u/Library/Application Support/pomona";
        let expected = ["/config.toml", "/key", "", "/logs"].map(|name| format!("{folder}{name}"));
        check(None, &[("HOME", "/Users/u")], true, expected.each_ref().map(String::as_str));
    }

    #[test]
    fn one_folder_holds_everything_and_the_flag_wins() {
        let expected = ["/x/config.toml", "/x/key", "/x/data", "/x/logs"];
        check(Some("/x"), &[("POMONA_HOME", "/y")], false, expected);
        check(None, &[("POMONA_HOME", "/x"), ("HOME", "/home/u")], true, expected);
    }

    #[test]
    fn without_a_home_the_remedy_is_named() {
        let error = resolved(None, &[], false).unwrap_err().to_string();
        assert!(error.contains("--home"), "{error}");
    }
}
