//! What is read out of paths, queries and headers, and what is refused.

use hyper::Request;

use super::*;

async fn query(text: &str) -> Query {
    let (mut parts, ()) = Request::builder().uri(format!("/x?{text}")).body(()).unwrap().into_parts();
    Query::from_request_parts(&mut parts, &()).await.unwrap()
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let pairs = pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
    // `append`, so that a header can stand twice.
    pairs.fold(HeaderMap::new(), |mut all, (name, value)| {
        all.append(name, value);
        all
    })
}

#[tokio::test]
async fn a_flag_is_true_or_false_and_nothing_else() {
    for (text, expected) in [
        ("", Some(None)),
        ("stream=true", Some(Some(true))),
        ("stream=False", Some(Some(false))),
        ("stream=", None),
        ("stream=1", None),
        ("stream=true&stream=true", None),
    ] {
        assert_eq!(query(text).await.flag("stream").ok(), expected, "{text}");
    }
}

#[tokio::test]
async fn a_number_is_taken_within_its_range_alone() {
    for (text, expected) in [
        ("", Ok(None)),
        ("after=7", Ok(Some(7))),
        ("other=x&after=0", Ok(Some(0))),
        ("after=9223372036854775807", Ok(Some(SEQ_MAX))),
        ("after=9223372036854775808", Err("9223372036854775807")),
        ("after=99999999999999999999999999", Err("the range is")),
        ("after=-1", Err("`-1`")),
        ("after=%2B1", Err("`+1`")),
        ("after=1e3", Err("`1e3`")),
        ("after=", Err("``")),
        ("after=1&after=2", Err("twice")),
    ] {
        match (query(text).await.number("after", 0..=SEQ_MAX), expected) {
            (Ok(number), Ok(expected)) => assert_eq!(number, expected, "{text}"),
            (Err(error), Err(says)) => assert!(error.message().contains(says), "{text}: {}", error.message()),
            (given, _) => panic!("{text}: {given:?}"),
        }
    }
}

#[tokio::test]
async fn a_text_is_taken_as_it_was_meant() {
    let given = query("text=two+words%21&title=&tag=%00").await;
    assert_eq!(given.text("text").unwrap(), Some("two words!"));
    assert_eq!(given.text("title").unwrap(), None);
    assert_eq!(given.text("tag").unwrap_err().code(), "invalid_request");
}

#[test]
fn an_id_of_another_kind_is_named() {
    let error = parse_id::<SessionId>("id", "turn_00000000000000000000000000000001").unwrap_err();
    assert!(error.message().contains("ses_ and 32 hex digits"), "{}", error.message());
    assert!(parse_id::<SessionId>("id", "ses_00000000000000000000000000000001").is_ok());
}

#[test]
fn an_idempotency_key_is_one_short_text() {
    let read =
        |pairs: &[(&'static str, &str)]| idempotency_key(&headers(pairs)).map_err(|error| error.code());
    let (name, long) = ("idempotency-key", "k".repeat(IDEMPOTENCY_KEY_BYTES_MAX + 1));
    assert_eq!(read(&[]), Ok(None));
    assert_eq!(read(&[(name, "k")]), Ok(Some("k".to_owned())));
    for wrong in [&[(name, "")][..], &[(name, &long)], &[(name, "a"), (name, "b")], &[(name, "ü")]] {
        assert_eq!(read(wrong), Err("invalid_request"), "{wrong:?}");
    }
}

#[test]
fn browsers_are_told_at_their_own_pace() {
    let config = SessionConfig { coalesce_ms: 33, ..SessionConfig::default() };
    let pace = |asked, pairs: &[(&'static str, &str)]| {
        coalesce(asked, &headers(pairs), &config).map(|pace| pace.as_millis()).map_err(|error| error.code())
    };
    assert_eq!(pace(None, &[]), Ok(0));
    assert_eq!(pace(None, &[("origin", "http://localhost")]), Ok(33));
    assert_eq!(pace(None, &[("sec-fetch-mode", "cors")]), Ok(33));
    assert_eq!(pace(Some(0), &[("origin", "http://localhost")]), Ok(0));
    assert_eq!(pace(Some(1000), &[]), Ok(1000));
    assert_eq!(pace(Some(1001), &[]), Err("invalid_request"));
}

#[test]
fn a_client_has_a_short_visible_name_or_none() {
    assert_eq!(client_name("").unwrap(), "");
    assert_eq!(client_name("Ännchen").unwrap(), "Ännchen");
    assert!(client_name(&"x".repeat(CLIENT_NAME_BYTES_MAX + 1)).is_err());
    assert!(client_name("a\u{1b}[2J").is_err());
}
