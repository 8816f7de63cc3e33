//! Clients that come, go, come back and take each other's place.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::{advance, timeout};

use super::*;
use crate::job::TerminalSize;

const PATIENCE: Duration = Duration::from_secs(30);

fn point() -> Arc<AttachPoint> {
    Arc::new(AttachPoint::new(true))
}

/// What does not come within a moment of paused time does not come.
async fn never<T>(what: impl Future<Output = T>) -> bool {
    timeout(Duration::from_secs(3600), what).await.is_err()
}

#[tokio::test(start_paused = true)]
async fn stdin_goes_by_offset_from_where_the_job_takes_it() {
    let point = point();
    let mut attached = point.attach().unwrap();
    let mut client = point.arrival().await;
    let data = Bytes::from_static(b"hello");
    assert_eq!(attached.input.stdin(data.clone()).await, Err(InputError::NotReady));
    client.stdin_ready(100);
    client.stdin_ready(7);
    assert_eq!(attached.reports.next().await, Report::StdinReady { offset: 100 });
    attached.input.stdin(data.clone()).await.unwrap();
    attached.input.stdin(data.clone()).await.unwrap();
    attached.input.close_stdin().await.unwrap();
    attached.input.signal(15).await.unwrap();
    let size = TerminalSize { rows: 1, columns: 2 };
    attached.input.resize(size).await.unwrap();
    for expected in [
        ClientEvent::Stdin { offset: 100, data: data.clone() },
        ClientEvent::Stdin { offset: 105, data },
        ClientEvent::StdinClosed { offset: 110 },
        ClientEvent::Signal(15),
        ClientEvent::Resize(size),
    ] {
        assert_eq!(client.next().await, Some(expected));
    }
    client.stdin_taken(105);
    client.stdin_taken(104);
    assert_eq!(attached.reports.next().await, Report::StdinTaken { offset: 105 });
    assert!(never(attached.reports.next()).await);
    drop(client);
    assert!(never(attached.reports.next()).await, "a command that is over says nothing more");
    assert_eq!(attached.input.signal(2).await, Err(InputError::Over));
}

#[tokio::test(start_paused = true)]
async fn a_new_client_takes_the_place_and_what_the_old_one_had_sent_is_dropped() {
    let point = point();
    let mut first = point.attach().unwrap();
    let mut old = point.arrival().await;
    old.stdin_ready(0);
    first.input.stdin(Bytes::from_static(b"ab")).await.unwrap();
    assert!(old.next().await.is_some());
    first.input.stdin(Bytes::from_static(b"cd")).await.unwrap();
    let mut second = point.attach().unwrap();
    assert_eq!(old.next().await, None);
    assert_eq!(first.reports.next().await, Report::StdinReady { offset: 0 }.replaced());
    drop((old, first));
    assert_eq!(point.presence(), Presence::Here, "who was replaced takes nobody with it");
    let client = point.arrival().await;
    client.stdin_ready(2);
    assert_eq!(second.reports.next().await, Report::StdinReady { offset: 2 });
}

impl Report {
    /// A client that was replaced hears of nothing else.
    fn replaced(self) -> Self {
        let _ = self;
        Self::Replaced
    }
}

#[tokio::test(start_paused = true)]
async fn who_goes_is_waited_for_as_long_as_was_said() {
    let point = point();
    assert_eq!(point.presence(), Presence::Absent);
    point.expect(PATIENCE);
    let began = Instant::now();
    assert_eq!(point.presence(), Presence::Expected { until: began + PATIENCE });
    let attached = point.attach().unwrap();
    let mut client = point.arrival().await;
    point.expect(PATIENCE);
    assert_eq!(point.presence(), Presence::Here);
    advance(Duration::from_secs(5)).await;
    drop(attached);
    assert_eq!(client.next().await, None);
    let until = began + Duration::from_secs(5) + PATIENCE;
    assert_eq!(point.presence(), Presence::Expected { until });
    point.give_up();
    assert_eq!(point.presence(), Presence::Absent);
    let _late = point.attach().unwrap();
    assert_eq!(point.presence(), Presence::Here);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_no_more_reads_on_and_what_it_sent_arrives() {
    let point = point();
    let Attached { mut input, reports } = point.attach().unwrap();
    let mut client = point.arrival().await;
    client.stdin_ready(0);
    input.stdin(Bytes::from_static(b"x")).await.unwrap();
    drop(input);
    assert!(matches!(client.next().await, Some(ClientEvent::Stdin { offset: 0, .. })));
    assert!(never(client.next()).await, "it is still there");
    drop(reports);
    assert_eq!(client.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_to_the_command_sends_the_client_back() {
    let point = point();
    let mut attached = point.attach().unwrap();
    let client = point.arrival().await;
    client.stdin_ready(0);
    client.interrupt();
    assert_eq!(attached.reports.next().await, Report::StdinReady { offset: 0 });
    assert_eq!(attached.reports.next().await, Report::Interrupted);
}

#[tokio::test(start_paused = true)]
async fn nobody_attaches_to_what_was_not_meant_for_it_or_is_over() {
    let unasked = AttachPoint::new(false);
    assert_eq!(unasked.attach().unwrap_err(), AttachRefusal::NotAsked);
    let point = point();
    let mut attached = point.attach().unwrap();
    point.close();
    assert_eq!(point.attach().unwrap_err(), AttachRefusal::Ended);
    assert!(never(attached.reports.next()).await, "it reads the log to its end");
    drop(attached);
    assert_eq!(point.presence(), Presence::Over);
    point.expect(PATIENCE);
    assert_eq!(point.presence(), Presence::Over);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_comes_while_it_is_waited_for_wakes_the_job() {
    let point = point();
    let waiting = tokio::spawn({
        let point = Arc::clone(&point);
        async move { point.arrival().await }
    });
    tokio::task::yield_now().await;
    let _first = point.attach().unwrap();
    timeout(PATIENCE, waiting).await.unwrap().unwrap();
    assert!(never(point.arrival()).await, "each is taken once");
}
