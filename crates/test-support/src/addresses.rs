//! Addresses on which a gate listens, and addresses that are free.

use listgate::{Gate, ListenAddress};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

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

/// Returns a TCP address that is free at this moment. Use it soon.
pub fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}
