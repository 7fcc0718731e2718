//! `cargo xtask test`: lanes, each one kind of proof. Every lane runs, whatever the others say; the last
//! line counts them.

mod cargo;
mod chaos;
mod clients;
mod job;
mod metrics;
mod mlx;
mod postgres;
mod tools;
mod web;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;

use crate::workspace;
use job::{Job, Outcome};

/// Which lanes, and how much of them.
#[derive(Args)]
pub(crate) struct TestArguments {
    /// Runs only these lanes.
    #[arg(long = "lane", value_name = "NAME", num_args = 1..)]
    lanes: Vec<String>,
    /// Names the lanes and what they prove.
    #[arg(long)]
    list: bool,
    /// Takes the heavy counts: more rounds of faults, more examples.
    #[arg(long)]
    full: bool,
}

struct Lane {
    name: &'static str,
    proves: &'static str,
    /// Longest time on two cores, building from nothing included; doubled by `--full`.
    budget: Duration,
    run: fn(&mut Job) -> Result<Outcome>,
}

const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

const LANES: &[Lane] = &[
    Lane { name: "fmt", proves: "the code is formatted", budget: minutes(1), run: cargo::fmt },
    Lane { name: "tidy", proves: "the repository keeps its own rules", budget: minutes(1), run: cargo::tidy },
    Lane { name: "clippy", proves: "no lint complains", budget: minutes(12), run: cargo::clippy },
    Lane { name: "unit", proves: "each crate keeps its contracts", budget: minutes(30), run: cargo::unit },
    Lane {
        name: "mlx",
        proves: "the MLX backend computes on Linux what the references say",
        budget: minutes(15),
        run: mlx::mlx,
    },
    Lane {
        name: "sim",
        proves: "simulated clusters keep every promise under faults",
        budget: minutes(8),
        run: cargo::sim,
    },
    Lane {
        name: "processes",
        proves: "whole processes and clusters survive kills, stalls, cuts and bad input",
        budget: minutes(25),
        run: cargo::processes,
    },
    Lane {
        name: "postgres",
        proves: "the store keeps its rules on a PostgreSQL server as well",
        budget: minutes(25),
        run: postgres::postgres,
    },
    Lane {
        name: "chaos",
        proves: "answers stay the same while machines are lost",
        budget: minutes(15),
        run: chaos::chaos,
    },
    Lane {
        name: "openai-python",
        proves: "OpenAI's own client understands every answer",
        budget: minutes(6),
        run: clients::openai_python,
    },
    Lane {
        name: "anthropic-python",
        proves: "Anthropic's own client understands every answer",
        budget: minutes(6),
        run: clients::anthropic_python,
    },
    Lane {
        name: "node-clients",
        proves: "the clients for Node understand every answer",
        budget: minutes(6),
        run: clients::node_clients,
    },
    Lane {
        name: "schemathesis",
        proves: "the API keeps what its OpenAPI document says",
        budget: minutes(12),
        run: clients::schemathesis,
    },
    Lane {
        name: "promtool",
        proves: "Prometheus understands metrics, alerts and every query of the dashboard",
        budget: minutes(8),
        run: metrics::promtool,
    },
    Lane {
        name: "web",
        proves: "the web app's parts keep their contracts, its types fit the API, and it stays small",
        budget: minutes(8),
        run: web::web,
    },
    Lane {
        name: "browser",
        proves: "every page and flow of the web app works in a real browser, for everybody",
        budget: minutes(12),
        run: web::browser,
    },
    Lane {
        name: "doc",
        proves: "the documentation builds without a warning",
        budget: minutes(8),
        run: cargo::doc,
    },
];

/// Runs the lanes; `true` when none failed.
pub(crate) fn run(arguments: &TestArguments) -> Result<bool> {
    if arguments.list {
        for lane in LANES {
            println!("{:<16} {}", lane.name, lane.proves);
        }
        return Ok(true);
    }
    let chosen = choose(&arguments.lanes)?;
    let logs = workspace::scratch().join("lanes");
    std::fs::create_dir_all(&logs)?;
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true" || ci == "1");
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for lane in chosen {
        let started = Instant::now();
        let budget = lane.budget * if arguments.full { 2 } else { 1 };
        let mut job =
            Job::new(workspace::root(), &logs.join(format!("{}.log", lane.name)), budget, arguments.full)?;
        let outcome = (lane.run)(&mut job).unwrap_or_else(|error| Outcome::Failed(format!("{error:#}")));
        let outcome = if ci { outcome.strictly() } else { outcome };
        let (word, detail) = match &outcome {
            Outcome::Passed(detail) => ("passed", detail),
            Outcome::Failed(detail) => ("FAILED", detail),
            Outcome::Skipped(detail) => ("skipped", detail),
        };
        match outcome {
            Outcome::Passed(_) => passed += 1,
            Outcome::Skipped(_) => skipped += 1,
            Outcome::Failed(_) => {
                failed += 1;
                print!("{}", job.log_failure());
            }
        }
        println!("{:<16} {word:<8} {:>6.1} s  {detail}", lane.name, started.elapsed().as_secs_f64());
    }
    println!("lanes: {passed} passed, {failed} failed, {skipped} skipped");
    Ok(failed == 0)
}

fn choose(names: &[String]) -> Result<Vec<&'static Lane>> {
    for name in names {
        let known = LANES.iter().map(|lane| lane.name).collect::<Vec<_>>().join(", ");
        ensure!(LANES.iter().any(|lane| lane.name == name), "no lane `{name}`; there are: {known}");
    }
    Ok(LANES.iter().filter(|lane| names.is_empty() || names.iter().any(|name| name == lane.name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_lane_is_refused_by_name() {
        let error = choose(&["swim".to_owned()]).map(|lanes| lanes.len()).unwrap_err();
        assert!(error.to_string().starts_with("no lane `swim`; there are: fmt, tidy"), "{error}");
    }

    #[test]
    fn no_names_choose_every_lane_in_order() {
        assert_eq!(choose(&[]).unwrap().len(), LANES.len());
        let two = choose(&["unit".to_owned(), "fmt".to_owned()]).unwrap();
        assert_eq!(two.iter().map(|lane| lane.name).collect::<Vec<_>>(), ["fmt", "unit"]);
    }

    #[test]
    fn nothing_may_be_left_out_under_ci() {
        assert!(matches!(Outcome::Skipped("no python".to_owned()).strictly(), Outcome::Failed(_)));
    }

    #[test]
    fn a_command_past_its_budget_is_killed_with_its_children() {
        let log = std::env::temp_dir().join(format!("xtask-job-{}.log", std::process::id()));
        let mut job = Job::new(workspace::root(), &log, Duration::from_millis(200), false).unwrap();
        let started = Instant::now();
        let error = job.run(std::process::Command::new("sh").args(["-c", "sleep 30 & wait"])).unwrap_err();
        assert!(error.to_string().contains("budget"), "{error}");
        assert!(started.elapsed() < Duration::from_secs(10));
        std::fs::remove_file(log).unwrap();
    }
}
