//! Builds the web app when something of it changed, and writes the table of its files.
//!
//! `POMONA_WEB_DIST=FOLDER` takes a folder that `npm run bundle` made elsewhere; `POMONA_WEB=skip` builds a page that says
//! there is none. Both only when asked for: a program without its page should never come about by chance.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Oldest Node that Vite 8 runs on.
const NODE_MIN: (u32, u32) = (20, 19);
/// What the app is made of, besides `node_modules`.
const SOURCES: [&str; 9] = [
    "src",
    "public",
    "scripts",
    "index.html",
    "package.json",
    "package-lock.json",
    "vite.config.ts",
    "vite.gateway.ts",
    "svelte.config.js",
];
/// Lines of a failed command that are shown.
const TAIL_LINES: usize = 25;
/// The page of a program that was built without the app.
const STUB: &str = "<!doctype html><title>Pomona</title><p>This Pomona was built without its web app \
                    (POMONA_WEB=skip). Its API and <code>pomona chat</code> work.</p>";

/// Why there is no bundle, and what to do about it: two lines.
type Failure = (String, String);

fn main() {
    println!("cargo::rerun-if-env-changed=POMONA_WEB");
    println!("cargo::rerun-if-env-changed=POMONA_WEB_DIST");
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let made = match (env::var("POMONA_WEB").as_deref(), env::var_os("POMONA_WEB_DIST")) {
        (Ok("skip"), _) => stub(&out),
        (_, Some(dist)) => {
            println!("cargo::rerun-if-changed={}", Path::new(&dist).display());
            Ok(PathBuf::from(dist))
        }
        _ => built(&root, &out),
    };
    // Lines that cargo shows as errors; it then ends the build by itself, without a dump of everything else.
    if let Err((what, remedy)) = made.and_then(|dist| table(&dist, &out)) {
        println!("cargo::error={what}");
        println!("cargo::error={remedy}");
    }
}

fn stub(out: &Path) -> Result<PathBuf, Failure> {
    println!("cargo::warning=POMONA_WEB=skip: this Pomona has no web app");
    let dist = out.join("stub");
    let written =
        fs::create_dir_all(&dist).and_then(|()| fs::write(dist.join("index.html"), STUB)).and_then(|()| {
            fs::write(dist.join("manifest.tsv"), "index.html\ttext/html; charset=utf-8\tstub\t0\t0\n")
        });
    written.map(|()| dist).map_err(|error| (format!("the stub of the web app: {error}"), String::new()))
}

fn built(root: &Path, out: &Path) -> Result<PathBuf, Failure> {
    for source in SOURCES.map(|source| root.join(source)) {
        // One that is missing would make every build start anew.
        if source.exists() {
            println!("cargo::rerun-if-changed={}", source.display());
        }
    }
    check_node()?;
    install(root)?;
    let dist = out.join("dist");
    let _ = fs::remove_dir_all(&dist);
    let vite = root.join("node_modules/vite/bin/vite.js");
    let mut build = Command::new("node");
    build.arg(vite).args(["build", "--logLevel", "warn", "--emptyOutDir", "--outDir"]).arg(&dist);
    run(build.current_dir(root), "the web app does not build", "run `npm run build` in web/ to see more")?;
    let mut compress = Command::new("node");
    compress.arg(root.join("scripts/precompress.mjs")).arg(&dist);
    run(
        compress.current_dir(root),
        "the web app's files cannot be compressed",
        "see web/scripts/precompress.mjs",
    )?;
    Ok(dist)
}

fn check_node() -> Result<(), Failure> {
    let (major, minor) = NODE_MIN;
    let remedy = format!(
        "install Node {major}.{minor} or later (https://nodejs.org), or set POMONA_WEB=skip to build without the web app"
    );
    let Ok(said) = Command::new("node").arg("--version").output() else {
        return Err(("the web app needs Node to be built, and there is no `node`".to_owned(), remedy));
    };
    let version = String::from_utf8_lossy(&said.stdout).trim().trim_start_matches('v').to_owned();
    let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if found < NODE_MIN {
        return Err((
            format!("the web app needs Node {major}.{minor} to be built, and this is {version}"),
            remedy,
        ));
    }
    Ok(())
}

/// Installs what the lock file names, unless that was done before.
fn install(root: &Path) -> Result<(), Failure> {
    let (lock, kept) = (root.join("package-lock.json"), root.join("node_modules/.pomona-lock"));
    let wanted = fs::read(&lock).map_err(|error| (format!("{}: {error}", lock.display()), String::new()))?;
    if fs::read(&kept).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", "--loglevel=error"]);
    let remedy = "npm has to reach its registry once; later builds need no network";
    run(npm.current_dir(root), "what the web app needs cannot be installed (npm ci)", remedy)?;
    fs::write(&kept, wanted).map_err(|error| (format!("{}: {error}", kept.display()), String::new()))
}

fn run(command: &mut Command, what: &str, remedy: &str) -> Result<(), Failure> {
    let failed = |why: &str| (format!("{what}: {why}"), remedy.to_owned());
    let output = command.output().map_err(|error| failed(&error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.lines().collect();
    for line in &lines[lines.len().saturating_sub(TAIL_LINES)..] {
        println!("cargo::error={line}");
    }
    Err(failed(&output.status.to_string()))
}

/// Writes `assets.rs` from `manifest.tsv`: path, content type, tag, and whether there are `.br` and `.gz`.
fn table(dist: &Path, out: &Path) -> Result<(), Failure> {
    let manifest = dist.join("manifest.tsv");
    let remedy = "a bundle is made by `npm run bundle` in web/".to_owned();
    let lines = fs::read_to_string(&manifest)
        .map_err(|error| (format!("{}: {error}", manifest.display()), remedy))?;
    let mut rows: Vec<Vec<&str>> = lines.lines().map(|line| line.split('\t').collect()).collect();
    rows.sort();
    let mut code = "/// Every file, by path.\npub static ASSETS: &[Asset] = &[\n".to_owned();
    for row in rows {
        let [path, mime, tag, br, gz] = row[..] else {
            return Err((format!("{}: a line has not five fields", manifest.display()), String::new()));
        };
        let file = dist.join(path);
        let bytes = |suffix: &str| format!("include_bytes!({:?})", format!("{}{suffix}", file.display()));
        let smaller = |is_there: &str, suffix| match is_there {
            "1" => format!("Some({})", bytes(suffix)),
            _ => "None".to_owned(),
        };
        // Writing to a text cannot fail.
        let _ = writeln!(
            code,
            "    Asset {{ path: {:?}, mime: {mime:?}, etag: {:?}, raw: {}, br: {}, gz: {} }},",
            format!("/{path}"),
            format!("\"{tag}\""),
            bytes(""),
            smaller(br, ".br"),
            smaller(gz, ".gz"),
        );
    }
    code.push_str("];\n");
    fs::write(out.join("assets.rs"), code).map_err(|error| (format!("assets.rs: {error}"), String::new()))
}
