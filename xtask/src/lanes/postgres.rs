//! The lane in which the store's suite runs on a PostgreSQL server that lives as long as the lane: a folder of its own, a
//! Unix socket in it, and no network.
//!
//! The server's programs are those of this machine, else unpacked from Debian's packages into `target`: nothing is
//! installed, and no cluster of the machine is touched.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use pomona_tests::build;
use rustix::process::{Pid, Signal, geteuid, kill_process_group};
use serde_json::Value;

use super::cargo::{WHOLE, build_binaries, count_tests};
use super::job::{Job, Outcome};
use crate::workspace;

/// Where the suite finds the server.
const URL: &str = "POMONA_TEST_POSTGRES";
/// The oldest version that the store works with.
const VERSION_MIN: u32 = 13;
/// Time for the server to start and to stop.
const PATIENCE: Duration = Duration::from_secs(60);
const HINT: &str = "install Debian's package `postgresql`, or `brew install postgresql`";

/// Fetches the server and whatever it needs that is not installed, without a right that only root has.
const UNPACK: &str = r#"
name=$(apt-cache depends --important postgresql | sed -n 's/^ *Depends: \(postgresql-[0-9]*\)$/\1/p' | head -n 1)
test -n "$name" || exit 1
rm -rf archives && mkdir -p archives/partial
apt-get install --quiet --yes --download-only --reinstall --no-install-recommends \
    -o Debug::NoLocking=true -o APT::Sandbox::User=root -o Dir::Cache::archives="$PWD/archives" "$name" || exit 1
for package in archives/*.deb; do dpkg-deb --extract "$package" . || exit 1; done
rm -rf archives
"#;

pub(super) fn postgres(job: &mut Job) -> Result<Outcome> {
    let Some(programs) = programs(job)? else {
        return Ok(Outcome::Skipped(format!("there is no PostgreSQL server; {HINT}")));
    };
    // Built before the server starts, so that a failed build leaves none behind.
    build_binaries(job)?;
    let suite = suite(job)?;
    job.run(whole_processes().arg("--no-run"))?;
    let server = Server::start(job, &programs)?;
    let outcome = both(job, &suite, &server.url());
    let said = fs::read_to_string(server.folder.join("log")).unwrap_or_default();
    drop(server);
    if outcome.is_err() {
        job.note(&said)?;
    }
    outcome?;
    Ok(Outcome::Passed(format!(
        "{} on SQLite and PostgreSQL {}",
        count_tests(&job.log_text()),
        programs.version
    )))
}

/// The store's suite, then gateways that share the database.
fn both(job: &mut Job, suite: &Path, url: &str) -> Result<()> {
    let store = job.root.join("store");
    job.run_in(&store, Command::new(suite).env(URL, url))?;
    let pomona = build::target_dir(&job.root).join("debug").join("pomona");
    job.run(whole_processes().arg("session_gateways").env(URL, url).env(build::POMONA_BIN, pomona))
}

/// The program with the store's suite. It is built with the packages of the lane `unit`, since other packages would mean
/// other features of what they share, and everything would be built once more.
fn suite(job: &mut Job) -> Result<PathBuf> {
    let mut command = cargo();
    command.args(["test", "--workspace", "--exclude", "pomona-tests", "--test", "it", "--no-run"]);
    job.run(command.arg("--message-format=json-render-diagnostics"))?;
    executable(&job.log_text()).context("cargo names no test `it` of the store")
}

/// What cargo's messages say of the store's test `it`.
fn executable(messages: &str) -> Option<PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut suites = messages.filter(|message| {
        let manifest = message["manifest_path"].as_str().map(Path::new);
        message["target"]["name"] == "it" && manifest.is_some_and(|path| path.ends_with("store/Cargo.toml"))
    });
    suites.find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

/// The tests of whole processes, built as the lane `processes` does.
fn whole_processes() -> Command {
    let mut command = cargo();
    command.args(["test", "--test", "it"]).args(WHOLE);
    command
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// A folder with `initdb` and `postgres`.
#[derive(Debug)]
struct Programs {
    folder: PathBuf,
    version: u32,
}

/// The newest server of this machine, or the one that was unpacked, or one that is unpacked now.
fn programs(job: &mut Job) -> Result<Option<Programs>> {
    let unpacked = workspace::scratch().join("postgresql");
    if let Some(found) = find(&unpacked) {
        return Ok(Some(found));
    }
    if Command::new("apt-get").arg("--version").output().is_ok() {
        fs::create_dir_all(&unpacked)?;
        let mut fetch = |script: &str| job.run_in(&unpacked, Command::new("sh").args(["-c", script]));
        // The lists of packages may be missing or old; only an administrator may renew them.
        if fetch(UNPACK).is_err() && geteuid().is_root() {
            let _ = fetch(&format!("apt-get update --quiet && {{ {UNPACK} }}"));
        }
    }
    Ok(find(&unpacked))
}

fn find(unpacked: &Path) -> Option<Programs> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let inside = |folder: &Path, name: &str| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(name));
        named.map(|entry| entry.path().join("bin")).collect()
    };
    folders.extend(inside(Path::new("/usr/lib/postgresql"), ""));
    folders.extend(inside(Path::new("/usr"), "pgsql-"));
    folders.extend(inside(Path::new("/opt/homebrew/opt"), "postgresql"));
    folders.extend(inside(Path::new("/usr/local/opt"), "postgresql"));
    folders.extend(inside(&unpacked.join("usr/lib/postgresql"), ""));
    let found = folders.into_iter().filter(|folder| folder.join("initdb").is_file()).filter_map(|folder| {
        let mut command = Command::new(folder.join("postgres"));
        let said = with_libraries(command.arg("--version"), &folder).output().ok()?;
        let version = version(&String::from_utf8_lossy(&said.stdout))?;
        Some(Programs { folder, version })
    });
    found.filter(|found| found.version >= VERSION_MIN).max_by_key(|found| found.version)
}

/// `postgres (PostgreSQL) 15.18 (Debian …)` is 15.
fn version(said: &str) -> Option<u32> {
    let digits = said.split("(PostgreSQL) ").nth(1)?;
    digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Programs that were unpacked bring libraries along; others find theirs without.
fn with_libraries<'a>(command: &'a mut Command, programs: &Path) -> &'a mut Command {
    let Some(root) = programs.ancestors().nth(5).filter(|_| programs.ends_with("bin")) else {
        return command;
    };
    let libraries = root.join("usr").join("lib").join(format!("{}-linux-gnu", std::env::consts::ARCH));
    if root != Path::new("/") && libraries.is_dir() {
        command.env("LD_LIBRARY_PATH", libraries);
    }
    command
}

/// A running server; dropping it stops it and removes its folder.
struct Server {
    folder: PathBuf,
    process: Option<Child>,
}

impl Server {
    fn start(job: &mut Job, programs: &Programs) -> Result<Self> {
        // Short, since the name of a socket is.
        let folder = std::env::temp_dir().join(format!("pomona-postgres-{}", std::process::id()));
        fs::create_dir(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        let mut server = Self { folder, process: None };
        let user = User::find()?;
        let programs = user.reachable(&programs.folder, &server.folder)?;
        if let Some((user, group)) = user.ids {
            chown(&server.folder, Some(user), Some(group)).context("the folder cannot be given away")?;
        }
        let data = server.folder.join("data");
        let mut initdb = user.command(&programs.join("initdb"));
        initdb.arg("--pgdata").arg(&data).args(["--username=pomona", "--auth=trust", "--encoding=UTF8"]);
        job.run_in(&server.folder, with_libraries(initdb.args(["--locale=C", "--no-sync"]), &programs))?;
        let mut postgres = user.command(&programs.join("postgres"));
        postgres.arg("-D").arg(&data).arg("-k").arg(&server.folder);
        postgres.args(["-c", "listen_addresses=", "-c", "port=5432", "-c", "max_connections=300"]);
        let log = fs::File::create(server.folder.join("log"))?;
        let process = with_libraries(&mut postgres, &programs)
            .current_dir(&server.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .context("postgres cannot be started")?;
        server.process = Some(process);
        server.wait(&data)?;
        Ok(server)
    }

    /// The server writes into the last line of its file when it takes connections.
    fn wait(&mut self, data: &Path) -> Result<()> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let state = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
            if state.lines().nth(7).is_some_and(|line| line.trim() == "ready") {
                return Ok(());
            }
            let ended = self.process.as_mut().map(Child::try_wait).transpose()?.flatten();
            if let Some(status) = ended {
                let said = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                bail!("postgres ended with {status}: {said}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("postgres was not ready within {} s", PATIENCE.as_secs())
    }

    fn url(&self) -> String {
        let host = self.folder.display().to_string().replace('%', "%25").replace('/', "%2F");
        format!("postgres://pomona@{host}/postgres")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process
            && let Some(group) = Pid::from_raw(process.id() as i32)
        {
            // Its way of saying: end all sessions, then stop.
            let _ = kill_process_group(group, Signal::INT);
            let began = Instant::now();
            while began.elapsed() < PATIENCE && matches!(process.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = kill_process_group(group, Signal::KILL);
            let _ = process.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Who runs the server: it refuses to be run by an administrator.
struct User {
    ids: Option<(u32, u32)>,
}

impl User {
    fn find() -> Result<Self> {
        if !geteuid().is_root() {
            return Ok(Self { ids: None });
        }
        let id = |kind: &str| -> Result<u32> {
            let said =
                Command::new("id").args([kind, "nobody"]).output().context("`id` cannot be started")?;
            ensure!(said.status.success(), "there is no user `nobody` to run the server");
            Ok(String::from_utf8_lossy(&said.stdout).trim().parse()?)
        };
        Ok(Self { ids: Some((id("-u")?, id("-g")?)) })
    }

    /// A command of theirs.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Some((user, group)) = self.ids {
            command.uid(user).gid(group);
        }
        command
    }

    /// The programs where this user can run them: the repository may lie where only its owner may look.
    fn reachable(&self, programs: &Path, folder: &Path) -> Result<PathBuf> {
        let mut ask = self.command(&programs.join("postgres"));
        let answer = with_libraries(ask.arg("--version").current_dir("/"), programs).output();
        if answer.is_ok_and(|answer| answer.status.success()) {
            return Ok(programs.to_owned());
        }
        let root = programs.ancestors().nth(4).context("the programs lie in no tree")?;
        let copied = Command::new("cp").arg("-R").arg(root).arg(folder).status()?;
        ensure!(copied.success(), "{} cannot be copied", root.display());
        Ok(folder.join(programs.strip_prefix(root.parent().unwrap_or(root))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suite_is_found_in_what_cargo_says() {
        let message = |folder: &str, name: &str, program: Option<&str>| {
            let manifest = format!("/p/{folder}/Cargo.toml");
            serde_json::json!({"manifest_path": manifest, "target": {"name": name}, "executable": program})
        };
        let said = [
            message("engine", "it", Some("/t/engine-1")),
            message("store", "pomona_store", None),
            message("store", "it", Some("/t/store-1")),
        ];
        let said = said.map(|message| message.to_string()).join("\nwarning: noise\n");
        assert_eq!(executable(&said), Some(PathBuf::from("/t/store-1")));
        assert_eq!(executable("{}"), None);
    }

    #[test]
    fn a_version_is_read_from_what_the_server_says() {
        assert_eq!(version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(version("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(version("no server"), None);
    }
}
