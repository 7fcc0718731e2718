//! Limits that both ends of a wire must agree on. What an admin may choose lives in the `config` crate.

/// Largest event frame, in bytes: 20 alternatives for each of a few tokens fit; a doubled limit only
/// doubles what one slow reader can pin.
pub const EVENT_FRAME_BYTES_MAX: usize = 64 * 1024;
/// Largest request frame, in bytes: the longest prompt that a context of a million tokens can hold.
pub const REQUEST_FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Stop strings per turn. OpenAI allows 4; matching stays cheap well beyond that.
pub const STOP_STRINGS_MAX: usize = 16;
/// Bytes of one stop string: text up to this length may be held back.
pub const STOP_STRING_BYTES_MAX: usize = 256;
/// Entries of `logit_bias`, as many as OpenAI's API takes.
pub const LOGIT_BIAS_MAX: usize = 300;
/// Largest seed that a client can name: what every language's whole number holds, as in OpenAI's API.
pub const SEED_MAX: u64 = i64::MAX as u64;
/// Alternatives reported per token, as in OpenAI's API.
pub const TOP_LOGPROBS_MAX: u8 = 20;
/// Step samples carried by one engine report; more are counted, not carried.
pub const STEP_SAMPLES_MAX: usize = 1024;
/// Largest frame of a greeting, a first contact or a manifest, in bytes: certificates and addresses, no prompts.
pub const GREETING_FRAME_BYTES_MAX: usize = 64 * 1024;
/// Longest name of a node, in bytes; longer ones break tables.
pub const NODE_NAME_BYTES_MAX: usize = 64;
/// Longest title of a session, in characters; longer ones are no titles.
pub const SESSION_TITLE_CHARS_MAX: usize = 200;
/// Tags of one session.
pub const SESSION_TAGS_MAX: usize = 32;
/// Longest tag, in bytes.
pub const SESSION_TAG_BYTES_MAX: usize = 64;
/// Longest idempotency key, in bytes; a UUID has 36.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;
/// Longest note of a turn, in bytes: the metadata of a response fits, whatever characters it has.
pub const TURN_NOTE_BYTES_MAX: usize = 128 * 1024;
/// Longest name that a client gives itself, in bytes.
pub const CLIENT_NAME_BYTES_MAX: usize = 64;
/// People that one session is shared with.
pub const SESSION_SHARES_MAX: usize = 256;
/// Sessions on one page of a list.
pub const SESSIONS_PAGE_MAX: u32 = 200;
/// Largest frame of a session's events between gateways, in bytes: one event may hold a whole question.
pub const SESSION_FRAME_BYTES_MAX: usize = REQUEST_FRAME_BYTES_MAX;
/// Tools of one request, as many as OpenAI's API takes.
pub const TOOLS_MAX: usize = 128;
/// Longest name of a tool, in bytes.
pub const TOOL_NAME_BYTES_MAX: usize = 64;
/// Bytes of all tools of a request together: their schemas are prompt text.
pub const TOOLS_BYTES_MAX: usize = 512 * 1024;
/// Longest schema, grammar or regular expression that an answer is held to, in bytes.
pub const FORMAT_BYTES_MAX: usize = 256 * 1024;
/// Largest picture, in bytes of its file.
pub const IMAGE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Pictures in one request.
pub const IMAGES_MAX: usize = 16;
/// Running turns that one view of the fleet lists.
pub const FEED_TURNS_MAX: usize = 2000;
/// Lines of one answer of the logs.
pub const LOG_LINES_MAX: u32 = 10_000;
/// Bytes of the lines that one machine answers with, as JSON: a fraction of what a control message may have, so that
/// beats are not held up. What follows comes with the next question.
pub const LOG_PAGE_BYTES_MAX: usize = 256 * 1024;
