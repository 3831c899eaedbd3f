//! Whether a gate makes progress.

use crate::backends::Backend;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Asks a gate for signs of life.
#[derive(Clone)]
pub(crate) struct Pulse {
    questions: mpsc::Sender<oneshot::Sender<Duration>>,
}

/// The part of a pulse that answers, on the gate's thread.
pub(super) struct Heart {
    questions: mpsc::Receiver<oneshot::Sender<Duration>>,
}

pub(super) fn pulse() -> (Pulse, Heart) {
    // Each question is answered before the next one, if the thread lives.
    let (asked, questions) = mpsc::channel(1);
    (Pulse { questions: asked }, Heart { questions })
}

impl Pulse {
    /// Waits until the thread of the sessions answers. Returns how long the backend's writer has been busy with what it
    /// took up before it was asked; zero if it has answered. `None`: the gate has ended.
    pub(crate) async fn beat(&self) -> Option<Duration> {
        let (answer, answered) = oneshot::channel();
        self.questions.send(answer).await.ok()?;
        answered.await.ok()
    }
}

impl Heart {
    /// Answers on the gate's thread, like a session. The backend's writer is asked beside that, so that a slow disk delays
    /// no answer.
    pub(super) async fn run(mut self, backend: Arc<dyn Backend>) {
        let mut asked: Option<(Instant, _)> = None;
        loop {
            let of_writer = async {
                match &mut asked {
                    Some((_, answer)) => answer.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                question = self.questions.recv() => {
                    let Some(question) = question else { return };
                    let (since, _) = asked.get_or_insert_with(|| (Instant::now(), backend.takes_up()));
                    // The asker may have gone.
                    let _ = question.send(since.elapsed());
                }
                // An error means that the backend has failed, which ends the gate.
                _ = of_writer => asked = None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::model::{EntryId, LeaseId, Step, Verdict};
    use crate::serve::Gate;
    use std::thread;

    #[test]
    fn a_writer_that_is_kept_waiting_is_reported_and_the_sessions_still_answer() {
        let dir = tempfile::tempdir().unwrap();
        let listen = vec!["127.0.0.1:0".parse().unwrap()];
        let gate = Gate::start(Config { listen, min_free: 0, ..Config::new(dir.path()) }).unwrap();
        let (pulse, moment) = (gate.pulse(), Duration::from_millis(50));
        let is_busy = || pollster::block_on(pulse.beat()).expect("the gate lives") > moment;
        let until = |busy| {
            let end = Instant::now() + Duration::from_secs(60);
            while is_busy() != busy {
                assert!(Instant::now() < end);
                thread::sleep(moment / 5);
            }
        };
        // The writer is asked at the first beat, and answers although it is idle.
        is_busy();
        thread::sleep(2 * moment);
        until(false);
        let other = rusqlite::Connection::open(dir.path().join("listgate.db")).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let leases = gate.leases.clone().unwrap();
        let lease = LeaseId { entry: EntryId { delivery: 1, n: 1 }, fence: 1 };
        let step = move || pollster::block_on(leases.step(vec![Step::settling(lease, Verdict::Done)]));
        let stepping = thread::spawn(step);
        until(true);
        other.execute_batch("ROLLBACK").unwrap();
        stepping.join().unwrap().unwrap();
        until(false);
        gate.stop().unwrap();
        assert_eq!(pollster::block_on(pulse.beat()), None);
    }
}
