//! The binary `pomona`: parses the command line, runs one command, ends with its exit code.

mod cli;
mod command;
mod node;
mod up;

mod tui;

mod encryption;
mod hub;
mod machine;
mod member;
mod probe;
mod refusal_log;
mod retention;
mod telemetry;

mod banner;
mod data_lock;
mod engine_process;
mod paths;
mod run_folder;
mod signals;
mod spoken;

mod clock;
mod exit;
mod huge_pages;
mod logging;
mod output;

use std::process::ExitCode;

/// Short-lived values of many sizes on several threads are what this program allocates.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match cli::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => return cli::refuse(&error),
    };
    match command::run(cli) {
        Ok(code) => code,
        Err(error) => exit::report(&error),
    }
}
