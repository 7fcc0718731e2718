//! The files of every sample, and of reports drawn at random.

use std::collections::BTreeSet;

use pomona_loadtest::report::{Event, Report, Slice};
use pomona_loadtest::{html, junit, words};
use proptest::prelude::*;
use roxmltree::{Document, Node, ParsingOptions};

use crate::{samples, studies};

/// Every page there is, with its name.
fn pages() -> Vec<(&'static str, String)> {
    let runs = samples::all().into_iter().map(|(name, report)| (name, html::page(&report)));
    runs.chain(studies::pages()).collect()
}

/// A page that people can send; the hostile one has a hundred nodes over thousands of slices.
const PAGE_BYTES_MAX: usize = 2 * 1024 * 1024;

fn parsed(text: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).unwrap_or_else(|error| panic!("{error} in {text:.2000}"))
}

fn elements<'a>(document: &'a Document, tag: &'a str) -> impl Iterator<Item = Node<'a, 'a>> {
    document.descendants().filter(move |node| node.has_tag_name(tag))
}

#[test]
fn every_page_is_well_formed_and_bounded() {
    for (name, page) in pages() {
        assert!(page.len() < PAGE_BYTES_MAX, "{name} has {} bytes", page.len());
        assert_eq!(elements(&parsed(&page), "html").count(), 1, "{name}");
    }
}

#[test]
fn a_page_asks_for_nothing() {
    for (name, page) in pages() {
        let document = parsed(&page);
        for node in document.descendants().filter(Node::is_element) {
            for attribute in node.attributes() {
                let value = attribute.value();
                let may_load =
                    matches!(attribute.name(), "src" | "srcset" | "data" | "action" | "xlink:href");
                assert!(!may_load, "{name}: {} loads {value}", node.tag_name().name());
                assert!(attribute.name() != "href" || value.starts_with('#'), "{name}: a link to {value}");
                assert!(!attribute.name().starts_with("on"), "{name}: {} is a script", attribute.name());
                assert!(attribute.name() != "style", "{name}: a style that its policy forbids");
            }
            let tag = node.tag_name().name();
            assert!(
                !["link", "img", "iframe", "object", "embed", "base", "form"].contains(&tag),
                "{name}: <{tag}>"
            );
        }
        assert_eq!(elements(&document, "script").count(), 1, "{name}");
        assert!(!page.contains("@import") && !page.contains("url(http"), "{name}");
        let policy =
            elements(&document, "meta").find(|node| node.has_attribute("http-equiv")).expect("a policy");
        assert!(policy.attribute("content").unwrap().starts_with("default-src 'none';"), "{name}");
    }
}

#[test]
fn every_plot_has_a_title_a_description_and_a_table() {
    for (name, page) in pages() {
        let document = parsed(&page);
        let ids: Vec<_> = document.descendants().filter_map(|node| node.attribute("id")).collect();
        assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len(), "{name} has an id twice");
        for figure in elements(&document, "figure") {
            let chart =
                figure.descendants().find(|node| node.attribute("role") == Some("img")).expect("a drawing");
            for id in chart.attribute("aria-labelledby").expect("a name").split(' ') {
                let named = document.descendants().find(|node| node.attribute("id") == Some(id)).expect(id);
                assert!(named.text().is_some_and(|text| !text.is_empty()), "{name}: {id} says nothing");
            }
            let is_line =
                |node: &Node| node.attribute("class").is_some_and(|class| class.starts_with("line line"));
            let is_drawn = figure.descendants().any(|node| is_line(&node) && node.attribute("d") != Some(""));
            let has_table = figure.descendants().any(|node| node.has_tag_name("td"));
            assert!(
                !is_drawn || has_table,
                "{name}: {} has no table",
                chart.attribute("aria-labelledby").unwrap()
            );
        }
    }
}

#[test]
fn no_drawing_holds_a_number_that_is_none() {
    for (name, page) in pages() {
        let document = parsed(&page);
        for node in document.descendants().filter(Node::is_element) {
            for attribute in node
                .attributes()
                .filter(|attribute| ["d", "x", "y", "width", "height"].contains(&attribute.name()))
            {
                let is_number = !attribute.value().contains("NaN") && !attribute.value().contains("inf");
                assert!(is_number, "{name}: {}={}", attribute.name(), attribute.value());
            }
        }
    }
}

#[test]
fn the_verdict_comes_first_and_in_words() {
    let check = |report: Report, sentence: &str| {
        let page = html::page(&report);
        assert!(parsed(&page).descendants().any(|node| node.text() == Some(sentence)), "{sentence}");
        assert!(page.find(sentence) < page.find("<main"), "{sentence} comes late");
    };
    check(samples::quiet(), "Valid, and within its objectives.");
    check(samples::killed(), "Valid, and outside its objectives.");
    check(samples::saturated(), "Not valid: do not believe the figures.");
    check(samples::empty(), "Not valid: do not believe the figures.");
}

#[test]
fn junit_counts_what_it_holds() {
    for (name, report) in samples::all() {
        let text = junit::suite(&report);
        let document = parsed(&text);
        let count = |tag| elements(&document, tag).count().to_string();
        for suite in ["testsuite", "testsuites"] {
            let suite = elements(&document, suite).next().expect(suite);
            assert_eq!(suite.attribute("tests"), Some(count("testcase").as_str()), "{name}");
            assert_eq!(suite.attribute("failures"), Some(count("failure").as_str()), "{name}");
            assert_eq!(suite.attribute("errors"), Some(count("error").as_str()), "{name}");
        }
        let suite = elements(&document, "testsuite").next().expect("a suite");
        assert_eq!(suite.attribute("skipped"), Some(count("skipped").as_str()), "{name}");
    }
}

#[test]
fn an_objective_of_a_run_that_is_not_valid_is_never_passed() {
    let mut report = samples::quiet();
    report.verdict.invalid = vec!["The generator lagged.".into()];
    let text = junit::suite(&report);
    let document = parsed(&text);
    for case in elements(&document, "testcase") {
        if case.attribute("classname") == Some("loadtest.objectives") {
            assert!(case.children().any(|child| child.has_tag_name("skipped")), "{case:?}");
        }
    }
    assert_eq!(elements(&document, "error").count(), 1);
}

#[test]
fn the_terminal_gets_no_control_characters_but_ends_of_lines() {
    for (name, report) in samples::all() {
        let text = words::summary(&report, false);
        assert!(text.ends_with('\n'), "{name}");
        assert!(
            !text.contains(|character: char| character.is_control() && character != '\n'),
            "{name}: {text:?}"
        );
        let coloured = words::summary(&report, true);
        assert!(coloured.contains("\u{1b}["), "{name}");
        assert!(!coloured.contains("\u{1b}[2J"), "{name}: a name cleared the screen");
    }
}

fn any_slice() -> impl Strategy<Value = Slice> {
    let percentiles = || prop::option::of(prop::array::uniform3(any::<f64>()));
    let nodes = prop::collection::btree_map(".{0,8}", any::<u64>(), 0..12);
    (any::<f64>(), any::<f64>(), any::<[u64; 5]>(), percentiles(), percentiles(), nodes).prop_map(
        |(
            at_ms,
            length_ms,
            [started, finished, failed, tokens, in_flight],
            first_token,
            inter_token,
            tokens_by_node,
        )| {
            Slice {
                at_ms,
                length_ms,
                started,
                finished,
                failed,
                tokens,
                in_flight,
                first_token,
                inter_token,
                tokens_by_node,
            }
        },
    )
}

fn any_event() -> impl Strategy<Value = Event> {
    (any::<f64>(), any::<Option<f64>>(), ".{0,12}", ".*", any::<Option<f64>>(), any::<Option<u64>>())
        .prop_map(|(at_ms, until_ms, kind, what, recovered_ms, resumed)| Event {
            at_ms,
            until_ms,
            kind,
            what,
            node: None,
            recovered_ms,
            failed: resumed,
            resumed,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_report_has_its_files(
        timeline in prop::collection::vec(any_slice(), 0..40),
        events in prop::collection::vec(any_event(), 0..60),
        errors in prop::collection::btree_map(".*", any::<u64>(), 0..10),
        curve in prop::collection::vec(any::<(f64, f64)>(), 0..30),
        numbers in any::<[f64; 8]>(),
        model in ".*",
        sent in any::<u64>(),
    ) {
        let mut report = samples::quiet();
        report.timeline = timeline;
        report.events = events;
        report.errors = errors;
        report.inter_token.curve = curve;
        report.inter_token.count = sent;
        [report.inter_token.p50, report.inter_token.p99, report.inter_token.max, report.generator.cpu_share] =
            [numbers[0], numbers[1], numbers[2], numbers[3]];
        [report.totals.seconds, report.totals.requests_per_second] = [numbers[4], numbers[5]];
        report.totals.sent = sent;
        report.totals.goodput = Some(numbers[6]);
        report.asked.rate = Some(numbers[7]);
        report.asked.model = model;
        report.asked.started_at_ms = sent;
        let page = html::page(&report);
        prop_assert!(page.len() < PAGE_BYTES_MAX);
        prop_assert!(!page.contains("NaN"), "a number that is none");
        parsed(&page);
        parsed(&junit::suite(&report));
        prop_assert!(!words::summary(&report, true).is_empty());
    }
}
