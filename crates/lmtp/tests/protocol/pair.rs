//! A client and a server of this crate connected to each other, with pieces of every size between them.

use crate::util::{Pair, SECOND, Server, closed, codes};
use listgate_lmtp::{ClientEvent, Closed};

fn pairs() -> impl Iterator<Item = Pair> {
    let sizes: [&[usize]; 6] = [&[1], &[2], &[3, 1], &[7, 1, 2], &[64], &[1 << 20]];
    sizes.into_iter().flat_map(|sizes| {
        [false, true].map(|hide_pipelining| {
            let mut pair = Pair::new(Server::new(), sizes);
            pair.hide_pipelining = hide_pipelining;
            pair
        })
    })
}

#[test]
fn two_messages_in_one_session() {
    for mut pair in pairs() {
        pair.send("ann@example.org", &["a@b", "no@b", "full@b", "a@b"], b"..x\r\n.\r\n\r\n.y");
        assert_eq!(codes(&pair.events, 4), [Some(250), Some(550), Some(452), Some(250)]);
        pair.events.clear();
        pair.send("bob@example.org", &[r#""two words"@[192.0.2.1]"#], b"");
        assert_eq!(codes(&pair.events, 1), [Some(250)]);
        pair.client.quit();
        pair.exchange();
        assert_eq!(pair.events.last(), Some(&closed(Closed::Quit)));
        assert_eq!(pair.server.bodies(), [b"..x\r\n.\r\n\r\n.y\r\n"]);
        assert_eq!(pair.server.replies_to_data, [(3, 3), (1, 1)]);
    }
}

#[test]
fn the_session_continues_after_any_refusal() {
    for mut pair in pairs() {
        for (from, to, text, expected) in [
            ("no@b", "a@b", 10, 550),
            ("a@b", "no@b", 10, 550),
            ("a@b", "a@b", 2000, 552),
            ("broken@b", "a@b", 10, 451),
            ("a@b", "full@b", 10, 452),
            ("a@b", "a@b", 10, 250),
        ] {
            pair.events.clear();
            pair.send(from, &[to], &vec![b'x'; text]);
            assert_eq!(codes(&pair.events, 1), [Some(expected)], "{from} {to} {text}");
            assert_eq!(pair.events.last(), Some(&ClientEvent::Ready));
        }
    }
}

#[test]
fn a_server_that_shuts_down_announces_it() {
    for mut pair in pairs() {
        pair.exchange();
        pair.server.now += 1000 * SECOND;
        pair.exchange();
        match pair.events.last() {
            Some(ClientEvent::Closed { why: Closed::Refused { phase: None, reply }, .. }) => {
                assert_eq!(reply.to_string(), "421 4.4.2 Timeout, closing");
            }
            other => panic!("{other:?}"),
        }
    }
}
