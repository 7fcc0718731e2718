//! The parts that MLX's Rust library needs on Linux and cannot build there itself, set up inside `target`.
//!
//! Its build script would build MLX with CMake and make bindings with libclang. Cargo lets a configuration take the
//! place of such a script, so that nothing of it is run: MLX comes as a wheel of PyPI, its C face is compiled against
//! that, and bindings are made with Debian's bindgen or one that is built here. What is there already is kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::workspace;

/// Built when Debian's cannot be had.
const BINDGEN_CLI: &str = "0.72.1";
/// The crate whose sources hold MLX's C face.
const SYS_CRATE: &str = "mlx-sys";
/// Changed when the steps below do, so that parts that were made by others are made anew.
const RECIPE: u32 = 1;
/// What the sources are checked into: its own folder, and the files of it that the parts depend on.
const SHIMS: [&str; 4] = ["requirements.txt", "halves.h", "mlxc.hpp", "missing.c"];

/// Whether MLX can be built here.
pub(crate) enum Ready {
    /// By this configuration of cargo.
    At(PathBuf),
    /// Not without this.
    Missing(String),
}

/// Says what is done and runs a command to its end; an error when it fails.
pub(crate) type Runner<'a> = &'a mut dyn FnMut(&str, &mut Command) -> Result<()>;

/// Sets up what is missing.
pub(crate) fn ready(root: &Path, run: Runner<'_>) -> Result<Ready> {
    if let Some(missing) = missing_tool() {
        return Ok(Ready::Missing(missing));
    }
    let prefix = workspace::scratch().join("mlx");
    let shims = root.join("mlx").join("linux");
    let source = source(root)?;
    let stamp = stamp(&shims, &source)?;
    let config = prefix.join("config.toml");
    if fs::read_to_string(prefix.join("stamp")).is_ok_and(|found| found == stamp) && config.is_file() {
        return Ok(Ready::At(config));
    }
    for folder in ["bin", "bindings", "lib", "objects"] {
        fs::create_dir_all(prefix.join(folder)).context("the folder for MLX cannot be made")?;
    }
    let mut parts = Parts { prefix, shims, source, run };
    if let Err(error) = parts.wheels() {
        return Ok(Ready::Missing(format!("packages of PyPI cannot be installed: {error:#}")));
    }
    let bindgen = match parts.bindgen() {
        Ok(bindgen) => bindgen,
        Err(error) => return Ok(Ready::Missing(format!("there is no bindgen: {error:#}"))),
    };
    parts.bindings(&bindgen)?;
    parts.library()?;
    fs::write(&config, parts.config())?;
    fs::write(parts.prefix.join("stamp"), stamp)?;
    Ok(Ready::At(config))
}

/// What this machine lacks, in words.
fn missing_tool() -> Option<String> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Some("the recipe is for Linux on x86-64".to_owned());
    }
    let tools = [("g++", "g++"), ("gcc", "gcc"), ("python3", "python3-pip")];
    for (tool, package) in tools {
        if !succeeds(Command::new(tool).arg("--version")) {
            return Some(format!("{tool} is not installed; on Debian: apt-get install {package}"));
        }
    }
    let pip = succeeds(Command::new("python3").args(["-m", "pip", "--version"]));
    (!pip).then(|| "python3 has no pip; on Debian: apt-get install python3-pip".to_owned())
}

/// The folder of MLX's C face, in the sources that cargo has fetched.
fn source(root: &Path) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let told = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--all-features"])
        .current_dir(root)
        .output()
        .context("cargo metadata cannot be started")?;
    ensure!(told.status.success(), "cargo metadata failed: {}", String::from_utf8_lossy(&told.stderr).trim());
    let metadata: serde_json::Value =
        serde_json::from_slice(&told.stdout).context("cargo metadata is no JSON")?;
    let packages = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    let found = packages.iter().find(|package| package["name"] == SYS_CRATE);
    let manifest = found.and_then(|package| package["manifest_path"].as_str());
    let manifest = Path::new(manifest.with_context(|| format!("{SYS_CRATE} is no dependency"))?);
    let folder = manifest.parent().unwrap_or(manifest).join("src").join("mlx-c");
    ensure!(folder.is_dir(), "{} is not there; run `cargo fetch`", folder.display());
    Ok(folder)
}

/// All that the parts are made from.
fn stamp(shims: &Path, source: &Path) -> Result<String> {
    let mut stamp = format!("recipe {RECIPE}\n{}\n", source.display());
    for name in SHIMS {
        let path = shims.join(name);
        stamp += &fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    }
    Ok(stamp)
}

struct Parts<'a> {
    prefix: PathBuf,
    shims: PathBuf,
    source: PathBuf,
    run: Runner<'a>,
}

impl Parts<'_> {
    /// MLX, a fast BLAS and libclang, by their hashes.
    fn wheels(&mut self) -> Result<()> {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade"]);
        pip.args(["--no-deps", "--only-binary", ":all:", "--require-hashes", "--root-user-action", "ignore"]);
        pip.arg("--requirement").arg(self.shims.join("requirements.txt"));
        pip.arg("--target").arg(self.python());
        (self.run)("packages of PyPI: MLX, OpenBLAS, libclang", &mut pip)
    }

    fn python(&self) -> PathBuf {
        self.prefix.join("python")
    }

    /// A program that makes bindings: one that is there, else Debian's, else one that is built now.
    fn bindgen(&mut self) -> Result<PathBuf> {
        let built = self.prefix.join("bin").join("bindgen");
        let unpacked = self.prefix.join("debian");
        let debians = unpacked.join("usr").join("bin").join("bindgen");
        let works = |program: &Path| succeeds(Command::new(program).arg("--version"));
        if succeeds(Command::new("apt-get").arg("--version")) && !works(&debians) && !works(&built) {
            fs::create_dir_all(&unpacked)?;
            let unpack = "apt-get download --quiet bindgen && dpkg-deb --extract bindgen_*.deb .";
            // The lists of packages may be missing; then the next way is taken.
            let mut fetch = Command::new("sh");
            let _ = (self.run)("bindgen of Debian", fetch.args(["-c", unpack]).current_dir(&unpacked));
        }
        if let Some(found) = [&debians, &built].into_iter().find(|program| works(program)) {
            return Ok(found.clone());
        }
        let mut install = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        install.args([
            "install",
            "--quiet",
            "--locked",
            "--no-track",
            "--version",
            BINDGEN_CLI,
            "bindgen-cli",
        ]);
        install.arg("--root").arg(&self.prefix).arg("--target-dir").arg(self.prefix.join("bindgen-target"));
        (self.run)("bindgen from its sources, which takes minutes", &mut install)?;
        // Only the program is wanted; what it was built from is ten times its size.
        let _ = fs::remove_dir_all(self.prefix.join("bindgen-target"));
        Ok(built)
    }

    /// The bindings that the build script would make on ARM, where half precision is a type of the compiler.
    fn bindings(&mut self, bindgen: &Path) -> Result<()> {
        let folder = self.prefix.join("bindings");
        let includes = |name: &str| format!("#include \"mlx/c/{name}\"\n");
        let header = folder.join("wrapper.h");
        fs::write(&header, self.files(".h")?.iter().map(|name| includes(name)).collect::<String>())?;
        let half =
            "#[repr(transparent)] #[derive(Debug, Default, Copy, Clone)] pub struct float16_t(pub u16);";
        let mut command = Command::new(bindgen);
        command.arg(&header).arg("-o").arg(folder.join("bindings.rs"));
        command.args(["--no-doc-comments", "--no-layout-tests"]);
        // The default of newer versions, which do not know the flag.
        let help = Command::new(bindgen).arg("--help").output().context("bindgen cannot be started")?;
        if String::from_utf8_lossy(&help.stdout).contains(" --size_t-is-usize") {
            command.arg("--size_t-is-usize");
        }
        command.args(["--allowlist-function", "_?mlx_.*", "--allowlist-type", "mlx_.*|bfloat16_t"]);
        command.args(["--allowlist-var", "mlx_.*|MLX_.*", "--blocklist-type", "float16_t|float16_bits"]);
        command.args(["--raw-line", half, "--"]);
        // libclang comes without headers of a compiler.
        let compiler = Command::new("gcc").arg("-print-file-name=include").output()?;
        command.arg(format!("-I{}", self.source.display()));
        command.arg(format!("-I{}", String::from_utf8_lossy(&compiler.stdout).trim()));
        command.arg("-include").arg(self.shims.join("halves.h"));
        command.env("LIBCLANG_PATH", self.python().join("clang").join("native"));
        (self.run)("bindings", &mut command)
    }

    /// The C face and what is missing, as one library that finds the wheels' libraries where they are. Its absolute
    /// name goes into each program that is linked with it, so nobody has to say where it lies.
    fn library(&mut self) -> Result<()> {
        let objects = self.prefix.join("objects");
        // Two halves of about the same size, for two compilers at once.
        let heavy = ["ops.cpp", "closure.cpp", "transforms.cpp"];
        let mut halves = [String::new(), String::new()];
        for name in self.files(".cpp")? {
            let include =
                format!("#include \"{}\"\n", self.source.join("mlx").join("c").join(&name).display());
            halves[usize::from(heavy.contains(&name.as_str()))] += &include;
        }
        fs::write(objects.join("light.cpp"), &halves[0])?;
        fs::write(objects.join("heavy.cpp"), &halves[1])?;
        let library = self.prefix.join("lib").join("libmlxc.so");
        let mut script = Command::new("sh");
        script
            .args(["-euc", COMPILE])
            .current_dir(objects)
            .env("SHIMS", &self.shims)
            .env("SOURCE", &self.source);
        script.env("PYTHON", self.python()).env("LIBRARY", library);
        (self.run)("the C face of MLX, about a minute", &mut script)
    }

    /// Names of the C face's files with this ending, in order.
    fn files(&self, ending: &str) -> Result<Vec<String>> {
        let folder = self.source.join("mlx").join("c");
        let mut names = Vec::new();
        for entry in fs::read_dir(&folder).with_context(|| format!("{} cannot be read", folder.display()))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.ends_with(ending) {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// What tells cargo to use all this in place of the build script.
    fn config(&self) -> String {
        let (lib, bindings) = (self.prefix.join("lib"), self.prefix.join("bindings"));
        format!(
            "[target.x86_64-unknown-linux-gnu.mlx]\n\
             rustc-link-search = [\"native={}\"]\n\
             rustc-link-lib = [\"dylib=mlxc\"]\n\
             rustc-env = {{ OUT_DIR = \"{}\" }}\n",
            lib.display(),
            bindings.display()
        )
    }
}

const COMPILE: &str = r#"
compile() {
    g++ -std=gnu++20 -O1 -fPIC -w -include "$SHIMS/mlxc.hpp" -I"$SOURCE" -isystem "$PYTHON/mlx/include" \
        -c "$1.cpp" -o "$1.o"
}
compile light & light=$!
compile heavy
wait "$light"
gcc -O2 -fPIC -c "$SHIMS/missing.c" -o missing.o
blas="$PYTHON/scipy_openblas32/lib"
g++ -shared -o "$LIBRARY" light.o heavy.o missing.o -L"$PYTHON/mlx/lib" -lmlx -L"$blas" -lscipy_openblas \
    -Wl,-rpath,"$blas",-rpath,"$PYTHON/mlx/lib",-rpath-link,"$PYTHON/mlx_cpu.libs",-soname,"$LIBRARY",--no-undefined
"#;

fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}
