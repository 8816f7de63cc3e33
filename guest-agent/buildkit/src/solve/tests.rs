use tokio::time::sleep;

use super::*;
use crate::VertexLog;

const SECOND: Duration = Duration::from_secs(1);

fn status(number: u8) -> StatusResponse {
    let log = VertexLog { msg: vec![number], ..VertexLog::default() };
    StatusResponse { logs: vec![log], ..StatusResponse::default() }
}

fn numbers(mut reports: mpsc::Receiver<Report>) -> Vec<u8> {
    let mut numbers = Vec::new();
    while let Ok(report) = reports.try_recv() {
        let Report::Progress(status) = report else { panic!("{report:?}") };
        numbers.push(status.logs[0].msg[0]);
    }
    numbers
}

async fn solved(after: Duration) -> Result<Response<&'static str>, Status> {
    sleep(after).await;
    Ok(Response::new("solution"))
}

fn words(error: SolveError) -> String {
    match error {
        SolveError::Failed(failure) => failure.message,
        SolveError::Deaf(deaf) => deaf.to_string(),
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_told_behind_the_solution_is_heard() {
    let (to, told) = mpsc::channel(1);
    let (reports_to, reports) = mpsc::channel(100);
    let tell = tokio::spawn(async move {
        for number in 0..40 {
            sleep(SECOND).await;
            to.send(Ok(status(number))).await.unwrap();
        }
    });
    let solution = heard(solved(2 * SECOND), told, &Teller::new(reports_to)).await;
    assert_eq!(solution.unwrap(), "solution");
    tell.await.unwrap();
    assert_eq!(numbers(reports), (0..40).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_stands_still_misses_nothing() {
    let (to, told) = mpsc::channel(1);
    let (reports_to, mut reports) = mpsc::channel(1);
    tokio::spawn(async move {
        for number in 0..40 {
            to.send(Ok(status(number))).await.unwrap();
        }
    });
    let listen = async {
        let mut numbers = Vec::new();
        loop {
            sleep(60 * SECOND).await;
            let Some(report) = reports.recv().await else { return numbers };
            let Report::Progress(status) = report else { panic!("{report:?}") };
            numbers.push(status.logs[0].msg[0]);
        }
    };
    let heard = async {
        let teller = Teller::new(reports_to);
        heard(solved(SECOND), told, &teller).await
    };
    let (solution, numbers) = tokio::join!(heard, listen);
    assert_eq!(solution.unwrap(), "solution");
    assert_eq!(numbers, (0..40).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_says_nothing_more_is_not_waited_for() {
    let (to, told) = mpsc::channel(1);
    let (reports_to, reports) = mpsc::channel(10);
    to.try_send(Ok(status(7))).unwrap();
    let begun = Instant::now();
    let solution = heard(solved(10 * SECOND), told, &Teller::new(reports_to)).await;
    assert_eq!(solution.unwrap(), "solution");
    assert_eq!(begun.elapsed(), 10 * SECOND + SILENCE);
    assert_eq!(numbers(reports), [7]);
    drop(to);
}

#[tokio::test(start_paused = true)]
async fn a_builds_own_failure_comes_first() {
    let broken = || Err(("failed to receive status", Status::unknown("cut")));
    for (failed, expected) in
        [(true, "failed to solve: no"), (false, "failed to receive status: cut")]
    {
        for first in [true, false] {
            let (to, told) = mpsc::channel(1);
            let (reports_to, _reports) = mpsc::channel(1);
            if first {
                to.try_send(broken()).unwrap();
            } else {
                tokio::spawn(async move {
                    sleep(2 * SECOND).await;
                    to.send(broken()).await.unwrap();
                });
            }
            let solved = async {
                let solution = solved(SECOND).await;
                if failed { Err(Status::unknown("no")) } else { solution }
            };
            let error = heard(solved, told, &Teller::new(reports_to)).await.unwrap_err();
            assert_eq!(words(error), expected);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_goes_ends_it() {
    let (to, told) = mpsc::channel(1);
    let (reports_to, reports) = mpsc::channel(1);
    drop(reports);
    to.try_send(Ok(status(1))).unwrap();
    let error = heard(solved(SECOND), told, &Teller::new(reports_to)).await.unwrap_err();
    assert_eq!(words(error), "nobody listens any more");
}
