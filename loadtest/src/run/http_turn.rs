//! A turn over `POST /v1/chat/completions`, streamed or whole.

use crate::plan::{Behaviour, Request};

use super::body;
use super::broken::Broken;
use super::chat::{ChatStream, Usage};
use super::http::{Connection, Head};
use super::tally::{Left, Tally};
use super::target::{Target, code_of, refusal};

/// Bytes of one read of a slow reader: about two tokens, so that the window of the connection fills.
const SLOW_BYTES: usize = 512;
/// Bytes of one read otherwise.
const READ_BYTES: usize = 16 * 1024;

/// Asks for a stream and reads it.
pub(super) async fn stream(
    target: &Target,
    model: &str,
    request: &Request,
    tally: &mut Tally,
) -> Result<Left, Broken> {
    let body = body::chat(model, request, true);
    let bytes = target.request("POST", "/v1/chat/completions", "x-pomona-events: resumed\r\n", &body);
    let (mut connection, mut head) = target.send(&bytes, || tally.sent()).await?;
    if head.status != 200 {
        return Err(refused(target, connection, head).await);
    }
    let most = if let Behaviour::ReadSlowly(_) = request.behaviour { SLOW_BYTES } else { READ_BYTES };
    let mut stream = ChatStream::default();
    loop {
        let mut fed = Ok(());
        let may_come = connection
            .piece(&mut head.framing, most, |bytes| {
                tally.look();
                if fed.is_ok() {
                    fed = stream.feed(bytes, tally);
                }
            })
            .await?;
        fed?;
        if !may_come {
            target.keep(connection, &head);
            return Ok(Left::AtEnd);
        }
        match request.behaviour {
            // Dropping the connection is how a browser leaves.
            Behaviour::CancelAfter(tokens) if !tally.has_ended() && tally.count() >= tokens => {
                return Ok(Left::Away);
            }
            Behaviour::ReadSlowly(pause) => tokio::time::sleep(pause).await,
            Behaviour::CancelAfter(_) | Behaviour::Read => {}
        }
    }
}

/// Asks for one answer.
pub(super) async fn whole(
    target: &Target,
    model: &str,
    request: &Request,
    tally: &mut Tally,
) -> Result<Left, Broken> {
    let body = body::chat(model, request, false);
    let bytes = target.request("POST", "/v1/chat/completions", "", &body);
    let (mut connection, mut head) = target.send(&bytes, || tally.sent()).await?;
    if head.status != 200 {
        return Err(refused(target, connection, head).await);
    }
    let answer = connection.body(&mut head).await?;
    target.keep(connection, &head);
    tally.look();
    read_whole(&answer, tally)?;
    Ok(Left::AtEnd)
}

async fn refused(target: &Target, mut connection: Connection, mut head: Head) -> Broken {
    match connection.body(&mut head).await {
        Ok(body) => {
            target.keep(connection, &head);
            refusal(head.status, &body)
        }
        Err(broken) => broken,
    }
}

fn read_whole(answer: &[u8], tally: &mut Tally) -> Result<(), Broken> {
    let garbled = || Broken::Garbled("the answer");
    let body: serde_json::Value = serde_json::from_slice(answer).map_err(|_| garbled())?;
    if !body["error"].is_null() {
        tally.failed(code_of(answer).unwrap_or_else(|| "error".to_owned()));
        return Ok(());
    }
    let choice = body["choices"].get(0).ok_or_else(garbled)?;
    for field in ["reasoning_content", "content"] {
        tally.whole_text(choice["message"][field].as_str().unwrap_or_default().as_bytes());
    }
    if let Ok(usage) = serde_json::from_value::<Usage>(body["usage"].clone()) {
        usage.tell(tally);
    }
    tally.finished(choice["finish_reason"].as_str().unwrap_or("unknown"));
    Ok(())
}
