//! What one client may not do.

use quinn::VarInt;

use super::*;

/// A request whose one unusual field has a value of so many bytes, as it looks on the stream.
fn raw_request(bytes: usize) -> Vec<u8> {
    // GET https://h/ from the static table, then a field `x` with a literal value of the length that follows.
    let mut fields = vec![0, 0, 0xd1, 0xd7, 0xc1, 0x50, 1, b'h', 0x21, b'x', 0x7f];
    let mut length = bytes - 127;
    while length >= 128 {
        fields.push((length % 128) as u8 | 128);
        length /= 128;
    }
    fields.push(length as u8);
    fields.resize(fields.len() + bytes, b'a');
    let mut frame = vec![1];
    frame.extend_from_slice(&(0x8000_0000 | fields.len() as u32).to_be_bytes());
    frame.append(&mut fields);
    frame
}

#[tokio::test]
async fn a_header_over_the_limit_is_refused_and_the_connection_goes_on() {
    let (asked, mut seen) = mpsc::unbounded_channel();
    let handler = move |request: Request<Http3Body>| -> BoxFuture<'static, Response<Answer>> {
        asked.send(request.headers().get("x").map_or(0, |value| value.len())).unwrap();
        Box::pin(async { Response::new(full("welcome")) })
    };
    let limits = Http3Limits { header_bytes_max: 4096, ..Http3Limits::default() };
    let world = World::new(handler, limits).await;
    let exchange = async |bytes| {
        let (mut send, mut receive) = world.connection.open_bi().await.unwrap();
        // It fails when the server has heard enough.
        let _ = send.write_all(&raw_request(bytes)).await;
        let _ = send.finish();
        receive.read_to_end(1024).await
    };
    // Read whole and refused by its size; not even read whole; fine.
    assert!(exchange(5_000).await.is_ok_and(|answer| !answer.is_empty()));
    let reset = quinn::ReadError::Reset(VarInt::from_u64(Code::H3_EXCESSIVE_LOAD.value()).unwrap());
    assert_eq!(exchange(4_000_000).await, Err(quinn::ReadToEndError::Read(reset)));
    assert!(exchange(3_000).await.unwrap().ends_with(b"welcome"));
    assert_eq!((seen.recv().await, seen.try_recv().ok()), (Some(3_000), None));
}

#[tokio::test]
async fn a_header_that_does_not_come_to_its_end_is_given_up() {
    let limits = Http3Limits { header_time: Duration::from_millis(20), ..Http3Limits::default() };
    let world = World::new(ECHO, limits).await;
    let (mut send, mut receive) = world.connection.open_bi().await.unwrap();
    send.write_all(&raw_request(3_000)[..100]).await.unwrap();
    let reset = quinn::ReadError::Reset(VarInt::from_u64(Code::H3_REQUEST_INCOMPLETE.value()).unwrap());
    assert_eq!(receive.read_to_end(1024).await, Err(quinn::ReadToEndError::Read(reset)));
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_by_its_length_or_by_its_bytes() {
    let limits = Http3Limits { body_bytes_max: 1000, ..Http3Limits::default() };
    let mut world = World::new(ECHO, limits).await;
    let mut declared = post("/");
    declared.headers_mut().insert("content-length", "1001".parse().unwrap());
    let mut stream = world.send(declared).await;
    assert_eq!(stream.recv_response().await.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
    let mut stream = world.send(post("/")).await;
    stream.send_data(vec![0; 1001].into()).await.unwrap();
    assert_eq!(stream.recv_response().await.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
    let mut stream = world.send(post("/")).await;
    stream.send_data(vec![1; 1000].into()).await.unwrap();
    stream.finish().await.unwrap();
    assert_eq!(stream.recv_response().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn requests_beyond_the_limit_wait_for_their_turn() {
    let (handler, mut handed) = fed();
    let limits = Http3Limits { requests_max: 1, ..Http3Limits::default() };
    let mut world = World::new(handler, limits).await;
    let mut first = world.send(post("/1")).await;
    first.finish().await.unwrap();
    let (feed, _) = handed.recv().await.unwrap();
    let mut second = world.send(post("/2")).await;
    second.finish().await.unwrap();
    first.recv_response().await.unwrap();
    assert!(handed.try_recv().is_err());
    drop(feed);
    assert!(rest(&mut first).await.is_empty());
    let (feed, _) = handed.recv().await.unwrap();
    drop(feed);
    second.recv_response().await.unwrap();
}
