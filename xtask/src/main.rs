//! `cargo xtask`: the project checks, tests and measures itself. Each command is one module; none of them
//! changes a tracked file.
#![expect(clippy::print_stdout, reason = "a command-line tool answers on standard output")]

mod bench;
mod chaos;
mod deny;
mod fuzz;
mod lanes;
mod mlx_linux;
mod sim;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Checks, tests and measures Pomona.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs every lane, or those that are named, and says which passed.
    Test(lanes::TestArguments),
    /// Checks the repository itself: crate edges, lengths, leftovers.
    Tidy,
    /// Measures speed and memory; prints Markdown.
    Bench(bench::BenchArguments),
    /// Kills, stops, cuts off and drains nodes under many streams; prints what the streams saw.
    Chaos(chaos::ChaosArguments),
    /// Runs simulated clusters under faults, from seeds.
    Sim(sim::SimArguments),
    /// Builds and tests the MLX backend on Linux, or runs another cargo command with it.
    MlxLinux(mlx_linux::MlxLinuxArguments),
    /// Decodes made-up files and frames, each target for a while; prints a table.
    Fuzz(fuzz::FuzzArguments),
    /// Checks licences and advisories of dependencies with `cargo-deny`.
    Deny,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Test(arguments) => lanes::run(&arguments),
        Command::Tidy => tidy::run(),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Chaos(arguments) => chaos::run(&arguments),
        Command::Sim(arguments) => sim::run(&arguments),
        Command::MlxLinux(arguments) => mlx_linux::run(&arguments),
        Command::Fuzz(arguments) => fuzz::run(&arguments),
        Command::Deny => deny::run(),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
