//! The least that an LMTP server can do and still keep the mail it took. `cargo xtask bench sink` compares
//! Listgate with it; it is not meant for real use. It trusts its peer, which must wait for each reply; it knows
//! no lists, takes any recipient, and writes a message as one row, without its recipients.
//!
//! `cargo run --release --example plainest -- ./plainest.db 127.0.0.1:8025`

use rusqlite::Connection;
use std::{env, error::Error, sync::mpsc, thread};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

struct Put {
    body: Vec<u8>,
    answer: oneshot::Sender<i64>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let mut next = || arguments.next().ok_or("usage: plainest DATABASE ADDRESS");
    let (database, address) = (next()?, next()?);
    let connection = Connection::open(database)?;
    connection.execute_batch(
        "PRAGMA page_size = 4096; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 4000; CREATE TABLE delivery (id INTEGER PRIMARY KEY, body BLOB)",
    )?;
    let (puts, waiting) = mpsc::channel();
    thread::spawn(move || write(&connection, &waiting).expect("the disk works"));
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind(address).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(talk(stream, puts.clone()));
        }
    })
}

/// Stores all waiting messages with one commit, and thus one sync.
fn write(connection: &Connection, waiting: &mpsc::Receiver<Put>) -> rusqlite::Result<()> {
    while let Ok(first) = waiting.recv() {
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let mut stored = Vec::new();
        for Put { body, answer } in std::iter::once(first).chain(waiting.try_iter()) {
            connection.prepare_cached("INSERT INTO delivery (body) VALUES (?1)")?.execute([body])?;
            stored.push((connection.last_insert_rowid(), answer));
        }
        connection.prepare_cached("COMMIT")?.execute([])?;
        for (id, answer) in stored {
            // Its session may have gone.
            let _ = answer.send(id);
        }
    }
    Ok(())
}

async fn talk(mut stream: TcpStream, puts: mpsc::Sender<Put>) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    stream.write_all(b"220 plainest\r\n").await.ok()?;
    let mut input = Vec::with_capacity(16 << 10);
    loop {
        input.clear();
        if stream.read_buf(&mut input).await.ok()? == 0 {
            return None;
        }
        let reply = match input.first_chunk()? {
            b"DATA" => "354 go on\r\n",
            b"QUIT" => "221 bye\r\n",
            _ => "250 ok\r\n",
        };
        stream.write_all(reply.as_bytes()).await.ok()?;
        if reply.starts_with("354") {
            let id = keep(&mut stream, &puts).await?;
            stream.write_all(format!("250 queued as {id}\r\n").as_bytes()).await.ok()?;
        }
    }
}

/// Takes a message and stores it.
async fn keep(stream: &mut TcpStream, puts: &mpsc::Sender<Put>) -> Option<i64> {
    let mut body = Vec::with_capacity(16 << 10);
    while !body.ends_with(b"\r\n.\r\n") {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    let (answer, answered) = oneshot::channel();
    puts.send(Put { body, answer }).ok()?;
    answered.await.ok()
}
