//! Runs simulated clusters from seeds: `cargo xtask sim --seeds 1000`. Ends with 1 when a promise does not hold.
#![expect(clippy::print_stdout, reason = "the answer goes to standard output")]

#[path = "../tests/sim/mod.rs"]
mod sim;

use std::process::ExitCode;
use std::time::Instant;

/// What the command line says.
struct Wish {
    first: u64,
    count: u64,
    broken: Option<sim::Break>,
}

fn main() -> ExitCode {
    let wish = match parse(std::env::args().skip(1)) {
        Ok(wish) => wish,
        Err(message) => {
            eprintln!("sim: {message}");
            return ExitCode::from(2);
        }
    };
    let started = Instant::now();
    let (stats, failure) = sim::run_seeds(wish.first, wish.count, wish.broken);
    println!("{stats}");
    println!("time       {:.1} s", started.elapsed().as_secs_f64());
    match failure {
        None => ExitCode::SUCCESS,
        Some(failure) => {
            println!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Wish, String> {
    let mut wish = Wish { first: 1, count: 100, broken: None };
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("`{name}` needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("`{name}` takes a number, not `{value}`"));
        match name.as_str() {
            "--seeds" => wish.count = number()?,
            "--seed" => wish.first = number()?,
            "--break" => {
                let names = sim::Break::ALL.map(sim::Break::name).join(", ");
                let broken = sim::Break::ALL.into_iter().find(|one| one.name() == value);
                wish.broken = Some(broken.ok_or_else(|| format!("no break `{value}`; there are: {names}"))?);
            }
            _ => return Err(format!("unknown argument `{name}`; there are: --seeds, --seed, --break")),
        }
    }
    Ok(wish)
}
