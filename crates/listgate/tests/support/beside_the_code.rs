//! What the integration tests know of system calls and of disks, for the tests beside the code.
#![allow(dead_code, reason = "these use a part")]

pub(crate) mod calls;
#[path = "../faults/disk.rs"]
pub(crate) mod disk;
