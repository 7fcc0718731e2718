//! The words and the wire of Pomona.
//!
//! Everything that two crates or two processes must agree on lives here: ids, what a turn asks and what it
//! answers, frames, limits, causes of failure. No logic, no I/O, no clock; imports nothing of ours.

pub mod blob;
pub mod cause;
pub mod download;
pub mod engine;
pub mod event;
pub mod feed;
pub mod figures;
pub mod fleet;
pub mod form;
pub mod frame;
pub mod hub;
pub mod ids;
pub mod join;
pub mod limits;
pub mod link;
pub mod log;
pub mod model;
pub mod notice;
pub mod objects;
pub mod placement;
pub mod said;
pub mod session;
mod session_ask;
mod session_cut;
mod session_news;
mod session_view;
pub mod status;
pub mod trace;
pub mod turn;
pub mod v3;

pub use blob::{BlobAnswer, BlobFile, BlobManifest, BlobRequest};
pub use cause::Cause;
pub use download::{Download, DownloadError, DownloadId, DownloadRetry, DownloadState};
pub use engine::{EngineLoad, EngineReport, Open, StepSample};
pub use event::{FinishReason, TokenLogprob, TopLogprob, TurnEvent, Usage};
pub use feed::{
    EndedTurn, FleetEvent, FleetEventBody, FleetNode, FleetReplica, FleetView, Quantiles, RateSample,
    RunningTurn, TurnProgress,
};
pub use figures::{ApiPort, MachineFigures, NodeFigures, ReplicaFigures, ThermalState};
pub use fleet::{ModelOffer, NodeReport, PathKind, PeerRole, ReplicaLoad, ReplicaReport};
pub use form::{AnswerForm, Effort, OutputFormat, Tool, ToolChoice};
pub use frame::{FrameDecoder, FrameError, encode_frame};
pub use hub::{HubAnswer, HubChoice, HubModel, HubRepo};
pub use ids::{ModelId, NodeId, ReplicaId, SessionId, TurnId};
pub use join::JoinToken;
pub use link::{Hello, HelloAnswer, LinkPurpose, LinkRefusal};
pub use log::{FleetLogs, LogLevel, LogLine, LogMissing, LogPage, LogQuery};
pub use model::{Modality, ModelCard};
pub use notice::{Acknowledged, Notice, NoticeId, NoticeKind, Severity};
pub use placement::{ModelPlace, NoPlace, PlaceUnload, Placement};
pub use said::{Mark, Said};
pub use session::{
    ContextPolicy, Permission, Principal, SessionChange, SessionEvent, SessionEventBody, SessionSettings,
    TurnOrigin,
};
pub use session_ask::{ImportedTurn, NewSession, SessionCommand, SessionReply, SessionRequest, TurnAsk};
pub use session_news::{
    Present, SESSION_WORDS, SessionAttach, SessionFrame, SessionLive, SessionNews, SessionOpen,
};
pub use session_view::{SessionPage, SessionQuery, SessionSummary, SessionView, TurnState, TurnView};
pub use status::{
    CreatedToken, NewToken, NodeState, NodeStatus, PathStatus, ReplicaState, ReplicaStatus, Status,
    TokenStatus,
};
pub use trace::{TraceContext, TraceId};
pub use turn::{Image, Message, Part, Role, Sampling, Task, ToolCall, TurnInput, TurnRequest};
