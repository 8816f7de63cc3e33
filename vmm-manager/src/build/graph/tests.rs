use kiln_proto::agent::{MAX_BUILD_NAME_BYTES, MAX_BUILD_STEPS, MAX_BUILD_WARNINGS};
use proptest::prelude::*;

use super::Graph;
use crate::build::event::{DoneEvent, ErrorEvent, Event, StepEvent, SummaryEvent, WarningEvent};

fn step(number: u32, name: &str) -> StepEvent {
    StepEvent {
        number,
        digest: format!("sha256:{number}"),
        name: name.to_owned(),
        inputs: Vec::new(),
        started_at: None,
        completed_at: None,
        cached: false,
        error: None,
    }
}

fn warning(text: &str) -> Event {
    let empty = String::new;
    let (url, file) = (empty(), empty());
    Event::Warning(WarningEvent {
        step: 0,
        text: text.to_owned(),
        details: Vec::new(),
        url,
        file,
        line: 0,
    })
}

#[test]
fn a_graph_is_what_was_told_last() {
    let mut graph = Graph::new();
    for (number, name) in [(2, "b"), (1, "a"), (2, "c")] {
        assert!(graph.apply(&Event::Step(step(number, name))));
    }
    assert!(!graph.apply(&Event::Step(step(2, "c"))), "nothing has changed");
    assert!(graph.apply(&warning("careful")));
    assert!(!graph.apply(&warning("careful")), "it came once more with a log that is read again");
    graph.apply(&Event::Summary(SummaryEvent { steps: 2, more_steps: 7 }));
    let record = graph.snapshot();
    assert_eq!(record.steps, [step(1, "a"), step(2, "c")]);
    assert_eq!((record.more_steps, record.warnings.len(), record.more_warnings), (7, 1, 0));
}

#[test]
fn the_first_end_is_the_end() {
    let mut graph = Graph::new();
    let error = |message: &str| ErrorEvent { message: message.to_owned(), ..ErrorEvent::default() };
    graph.apply(&Event::Error(error("one")));
    graph.apply(&Event::Error(error("two")));
    graph.apply(&Event::Done(DoneEvent::default()));
    assert_eq!(graph.error().map(|error| error.message.as_str()), Some("one"));
    assert!(graph.done().is_some());
}

#[test]
fn a_guest_that_tells_without_end_fills_no_more_than_a_few_megabytes() {
    let mut graph = Graph::new();
    let name = "x".repeat(MAX_BUILD_NAME_BYTES);
    for round in 0..3 {
        for number in 1..=u32::try_from(MAX_BUILD_STEPS).unwrap() {
            let inputs = vec![round; MAX_BUILD_STEPS];
            let error = Some(format!("{round}{name}"));
            graph.apply(&Event::Step(StepEvent { inputs, error, ..step(number, &name) }));
        }
    }
    for number in 0..MAX_BUILD_WARNINGS + 10 {
        graph.apply(&warning(&format!("{number}{name}")));
    }
    let record = graph.snapshot();
    let texts: usize = record
        .steps
        .iter()
        .map(|step| {
            let error = step.error.as_ref().map_or(0, String::len);
            step.name.len() + step.digest.len() + error + 4 * step.inputs.len()
        })
        .sum();
    assert_eq!(record.steps.len(), MAX_BUILD_STEPS);
    assert!(texts < (1 << 20) + MAX_BUILD_STEPS * 120, "{texts}");
    assert_eq!((record.warnings.len(), record.more_warnings), (MAX_BUILD_WARNINGS, 10));
}

fn events() -> impl Strategy<Value = Event> {
    prop_oneof![
        (1..20_u32, "[a-c]{0,2}", any::<bool>()).prop_map(|(number, name, cached)| {
            Event::Step(StepEvent { cached, ..step(number, &name) })
        }),
        "[ab]{0,2}".prop_map(|text| warning(&text)),
        (0..5_u32).prop_map(|more_steps| Event::Summary(SummaryEvent { steps: 0, more_steps })),
    ]
}

proptest! {
    /// Told again in whole, as a build's end tells it, it is the same; and a graph that missed the
    /// middle has all steps by then.
    #[test]
    fn what_is_told_again_changes_nothing(
        events in proptest::collection::vec(events(), 0..60),
        from in any::<prop::sample::Index>(),
        to in any::<prop::sample::Index>(),
    ) {
        let mut whole = Graph::new();
        let mut changes = 0;
        for event in &events {
            let before = whole.snapshot();
            let changed = whole.apply(event);
            prop_assert_eq!(changed, whole.snapshot() != before);
            changes += usize::from(changed);
        }
        prop_assert!(changes <= events.len());
        let mut gapped = Graph::new();
        let (from, to) = (from.index(events.len() + 1), to.index(events.len() + 1));
        let kept = events.iter().enumerate().filter(|(place, _)| *place < from || *place >= to);
        for (_, event) in kept {
            gapped.apply(event);
        }
        let all = whole.snapshot().steps;
        for step in &all {
            whole.apply(&Event::Step(step.clone()));
            gapped.apply(&Event::Step(step.clone()));
        }
        prop_assert_eq!(&whole.snapshot().steps, &all);
        prop_assert_eq!(&gapped.snapshot().steps, &all);
    }
}
