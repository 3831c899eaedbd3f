//! Turns a panic in one piece of work into an outcome, so that the others go on.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;

/// The error of a step that panicked; the panic's own message is on standard error.
#[derive(Debug)]
pub(crate) struct Panicked;

/// Runs `step`, which is not small and so is pinned rather than moved. After a panic the caller drops what the
/// step worked on, so that no code sees its unfinished state.
pub(crate) fn guarded<T>(
    mut step: Pin<&mut impl Future<Output = T>>,
) -> impl Future<Output = Result<T, Panicked>> {
    poll_fn(move |context| match catch_unwind(AssertUnwindSafe(|| step.as_mut().poll(context))) {
        Ok(poll) => poll.map(Ok),
        Err(_) => Poll::Ready(Err(Panicked)),
    })
}

#[cfg(test)]
mod tests {
    use crate::backends::memory::{Memory, Trouble};
    use crate::message::Spool;
    use crate::model::Clock;
    use crate::serve::Parts;
    use crate::systemd::Sockets;
    use crate::{Config, Gate, ListenAddress};
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpStream;
    use std::sync::Arc;

    #[test]
    fn a_panic_in_the_intake_is_a_451_for_each_recipient_and_the_session_continues() {
        let dir = tempfile::tempdir().unwrap();
        let backend = Arc::new(Memory::default());
        backend.create("mylist@example.com");
        let listen = vec!["127.0.0.1:0".parse().unwrap()];
        let config = Config { listen, min_free: 0, ..Config::new(dir.path()) };
        let spool = Spool::new(dir.path());
        let (metrics, clock) = (Arc::default(), Clock::default());
        let parts = Parts { backend: backend.clone(), spool, metrics, clock, engine: false };
        let gate = Gate::start_on(config, None, parts, Sockets::default()).unwrap();
        let ListenAddress::Tcp(address) = gate.addresses()[0].clone() else { panic!("not TCP") };
        let mut stream = TcpStream::connect(address).unwrap();
        let envelope =
            "MAIL FROM:<>\r\n".to_owned() + &"RCPT TO:<mylist@example.com>\r\n".repeat(3) + "DATA\r\n";
        stream.write_all(format!("LHLO x\r\n{envelope}").as_bytes()).unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        while !line.starts_with("354") {
            line.clear();
            reader.read_line(&mut line).unwrap();
        }
        // The next request to the backend is to store the message.
        backend.expect([Trouble::Panics]);
        stream.write_all(b"Message-ID: <panic@x>\r\n\r\n.\r\n").unwrap();
        stream.write_all(format!("{envelope}Message-ID: <calm@x>\r\n\r\n.\r\nQUIT\r\n").as_bytes()).unwrap();
        let mut replies = String::new();
        reader.read_to_string(&mut replies).unwrap();
        let after_data =
            replies.lines().filter(|line| line.starts_with("451 4.3.0") || line.contains("queued as"));
        let codes: Vec<&str> = after_data.map(|line| &line[..3]).collect();
        assert_eq!(codes, ["451", "451", "451", "250", "250", "250"], "{replies}");
        assert!(replies.ends_with("221 2.0.0 Bye\r\n"), "{replies}");
        gate.stop().unwrap();
    }
}
