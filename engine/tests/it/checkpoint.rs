//! Opening folders, good and bad.

mod configs;
mod files;
mod folder;
mod gguf;
