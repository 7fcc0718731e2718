//! What the files of a load test must hold, seen from outside: they are well-formed, ask for nothing, take every name for a
//! name, and stay small, whatever the report, and their JSON is as the schemas say.

mod files;
mod schema;

#[path = "../../examples/sample_report/samples.rs"]
mod samples;

#[path = "../../examples/sample_report/studies.rs"]
mod studies;
