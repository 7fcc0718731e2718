//! Which crate may import which, and what the pure ones may not import at all. A new edge is a change of the
//! architecture: it is drawn here together with its decision record.

use std::path::Path;

use anyhow::Result;

use super::Problem;
use crate::workspace;

/// What a crate may import of ours.
struct Edges {
    folder: &'static str,
    may_import: &'static [&'static str],
}

const EDGES: &[Edges] = &[
    Edges { folder: "protocol", may_import: &[] },
    Edges { folder: "cluster", may_import: &["protocol"] },
    Edges { folder: "config", may_import: &["protocol"] },
    Edges { folder: "engine", may_import: &["protocol", "config"] },
    Edges { folder: "mlx", may_import: &["protocol", "config", "engine"] },
    Edges { folder: "transport", may_import: &["protocol", "config"] },
    Edges { folder: "weights", may_import: &["protocol", "config"] },
    Edges { folder: "store", may_import: &["protocol", "config"] },
    Edges {
        folder: "actors",
        may_import: &["protocol", "cluster", "config", "engine", "transport", "weights", "store"],
    },
    Edges { folder: "web", may_import: &[] },
    Edges { folder: "gateway", may_import: &["protocol", "cluster", "config", "store", "actors", "web"] },
    Edges { folder: "client", may_import: &["protocol"] },
    Edges {
        folder: "node",
        may_import: &[
            "protocol",
            "cluster",
            "config",
            "engine",
            "mlx",
            "transport",
            "weights",
            "store",
            "actors",
            "gateway",
            "client",
            "loadtest",
        ],
    },
    Edges { folder: "loadtest", may_import: &[] },
    Edges { folder: "tests", may_import: &["protocol"] },
    Edges { folder: "xtask", may_import: &["tests"] },
];

/// A crate outside of ours that some of ours stay free of.
struct Ban {
    dependency: &'static str,
    allowed_in: Allowed,
    reason: &'static str,
}

enum Allowed {
    AllBut(&'static [&'static str]),
    Only(&'static [&'static str]),
}

const PURE: &[&str] = &["protocol", "cluster"];

const BANS: &[Ban] = &[
    Ban { dependency: "tokio", allowed_in: Allowed::AllBut(PURE), reason: "what decides has no runtime" },
    Ban {
        dependency: "ractor_cluster",
        allowed_in: Allowed::Only(&["actors"]),
        reason: "actors live in one crate",
    },
    Ban { dependency: "ractor", allowed_in: Allowed::Only(&["actors"]), reason: "actors live in one crate" },
    Ban { dependency: "getrandom", allowed_in: Allowed::AllBut(PURE), reason: "seeds come in as arguments" },
    Ban { dependency: "rand", allowed_in: Allowed::AllBut(PURE), reason: "seeds come in as arguments" },
    Ban { dependency: "reqwest", allowed_in: Allowed::AllBut(PURE), reason: "what decides has no sockets" },
    Ban { dependency: "axum", allowed_in: Allowed::Only(&["gateway"]), reason: "HTTP exists only there" },
    Ban {
        dependency: "quinn",
        allowed_in: Allowed::Only(&["transport"]),
        reason: "QUIC is known only there",
    },
    Ban {
        dependency: "anyhow",
        allowed_in: Allowed::Only(&["node", "loadtest", "tests", "xtask"]),
        reason: "libraries return errors that a caller can act on",
    },
];

/// Reads the manifest of every member.
pub(super) fn check_workspace(root: &Path) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    for member in workspace::members(root)? {
        let path = Path::new(&member).join("Cargo.toml");
        problems.extend(check_member(&member, &path, &workspace::manifest(&root.join(&path))?));
    }
    Ok(problems)
}

fn check_member(folder: &str, path: &Path, manifest: &toml::Value) -> Vec<Problem> {
    let Some(edges) = EDGES.iter().find(|edges| edges.folder == folder) else {
        return vec![Problem::new(
            path,
            1,
            format!("crate `{folder}` is not drawn in xtask/src/tidy/edges.rs"),
        )];
    };
    let mut problems = Vec::new();
    let name = manifest.get("package").and_then(|package| package.get("name")).and_then(toml::Value::as_str);
    if name != Some(&format!("pomona-{folder}")) {
        problems.push(Problem::new(
            path,
            1,
            format!("folder `{folder}` holds package {name:?}, not pomona-{folder}"),
        ));
    }
    for dependency in dependencies(manifest) {
        if let Some(ours) = dependency.strip_prefix("pomona-") {
            if !edges.may_import.contains(&ours) {
                problems.push(Problem::new(path, 1, format!("`{folder}` may not import `{ours}`")));
            }
        } else if let Some(ban) = BANS.iter().find(|ban| ban.dependency == dependency && !ban.allows(folder))
        {
            problems.push(Problem::new(
                path,
                1,
                format!("`{folder}` may not import `{dependency}`: {}", ban.reason),
            ));
        }
    }
    problems
}

impl Ban {
    fn allows(&self, folder: &str) -> bool {
        match self.allowed_in {
            Allowed::AllBut(crates) => !crates.contains(&folder),
            Allowed::Only(crates) => crates.contains(&folder),
        }
    }
}

/// Names of all dependencies, those for builds, tests and single platforms included.
fn dependencies(manifest: &toml::Value) -> Vec<String> {
    let platforms = manifest.get("target").and_then(toml::Value::as_table);
    let tables = std::iter::once(manifest).chain(platforms.into_iter().flat_map(|table| table.values()));
    let mut names = Vec::new();
    for table in tables {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let listed = table.get(kind).and_then(toml::Value::as_table);
            for (key, value) in listed.into_iter().flatten() {
                let renamed = value.get("package").and_then(toml::Value::as_str);
                names.push(renamed.unwrap_or(key).to_owned());
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(folder: &str, manifest: &str) -> Vec<String> {
        let manifest = format!("package.name = \"pomona-{folder}\"\n{manifest}");
        let manifest = toml::from_str(&manifest).unwrap();
        check_member(folder, Path::new("Cargo.toml"), &manifest).into_iter().map(|p| p.message).collect()
    }

    #[test]
    fn an_edge_that_is_not_drawn_is_found() {
        assert!(messages("gateway", "[dependencies]\npomona-actors.workspace = true").is_empty());
        assert_eq!(
            messages("cluster", "[dependencies]\npomona-config.workspace = true"),
            ["`cluster` may not import `config`"]
        );
    }

    #[test]
    fn an_edge_for_tests_or_one_platform_is_an_edge() {
        assert_eq!(messages("client", "[dev-dependencies]\npomona-node.workspace = true").len(), 1);
        assert_eq!(
            messages("client", "[target.'cfg(unix)'.dependencies]\nx = { package = \"pomona-node\" }").len(),
            1
        );
    }

    #[test]
    fn a_crate_that_is_not_drawn_is_found() {
        assert_eq!(messages("kitchen", "").len(), 1);
    }

    #[test]
    fn a_package_is_named_after_its_folder() {
        let manifest = toml::from_str("package.name = \"pomona-other\"").unwrap();
        assert_eq!(check_member("client", Path::new("Cargo.toml"), &manifest).len(), 1);
    }

    #[test]
    fn what_decides_has_no_runtime() {
        assert_eq!(messages("cluster", "[dependencies]\ntokio = \"1\"").len(), 1);
        assert!(messages("actors", "[dependencies]\ntokio = \"1\"").is_empty());
    }
}
