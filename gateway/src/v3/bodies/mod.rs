//! The bodies of `/v3`: what clients ask, checked ([`asked`]), and what they are shown ([`shown`]).

mod asked;
mod shown;

pub(crate) use asked::{Asked, change, checked_model, checked_title, messages, new_session, new_session_id};
pub(crate) use shown::{page_body, sampling_body, session_body};
