//! Addresses on which a gate listens, and addresses that are free.

use listgate::{Gate, ListenAddress};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU16, Ordering};

/// Returns the first TCP address of a gate.
pub fn tcp(gate: &Gate) -> SocketAddr {
    match gate.addresses()[0] {
        ListenAddress::Tcp(address) => address,
        ListenAddress::Unix(_) => panic!("the gate listens on a Unix socket first"),
    }
}

/// Returns the first TCP address on which a gate serves socketmap.
pub fn socketmap(gate: &Gate) -> SocketAddr {
    match gate.socketmap()[0] {
        ListenAddress::Tcp(address) => address,
        ListenAddress::Unix(_) => panic!("socketmap is on a Unix socket first"),
    }
}

/// The first port that [`free_address`] returns, and how many there are. All are below those that Linux itself gives to
/// sockets without a port, from 32768 on.
const PORTS: (u16, u16) = (10_000, 22_000);

/// Returns a TCP address at which nothing listens. Each call returns another address, and other processes start their
/// search elsewhere, so no other test takes it.
pub fn free_address() -> SocketAddr {
    static TRIED: AtomicU16 = AtomicU16::new(0);
    let (first, count) = PORTS;
    // Processes that start one after another are far apart.
    let begin = std::process::id() % u32::from(count) * 7919;
    loop {
        let tried = TRIED.fetch_add(1, Ordering::Relaxed);
        assert!(tried < count, "no port from {first} on is free");
        let offset = (begin + u32::from(tried)) % u32::from(count);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, first + u16::try_from(offset).unwrap()));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// Ends a listener at once. If it is only dropped, a process that another thread has just forked may keep it open until
/// that process runs its program.
pub fn stop_listening(listener: TcpListener) {
    TcpStream::from(OwnedFd::from(listener)).shutdown(Shutdown::Both).unwrap();
}
