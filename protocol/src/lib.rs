//! The words and the wire of Pomona.
//!
//! Everything that two crates or two processes must agree on lives here: ids, what a turn asks and what it
//! answers, frames, limits, causes of failure. No logic, no I/O, no clock; imports nothing of ours.

pub mod cause;
pub mod engine;
pub mod event;
pub mod frame;
pub mod ids;
pub mod limits;
pub mod model;
pub mod status;
pub mod turn;

pub use cause::Cause;
pub use engine::{EngineLoad, EngineReport, Open, StepSample};
pub use event::{FinishReason, TokenLogprob, TopLogprob, TurnEvent, Usage};
pub use frame::{FrameDecoder, FrameError, encode_frame};
pub use ids::{ModelId, NodeId, ReplicaId, TurnId};
pub use model::ModelCard;
pub use status::{ReplicaState, ReplicaStatus, Status};
pub use turn::{Message, OutputFormat, Part, Role, Sampling, TurnInput, TurnRequest};
