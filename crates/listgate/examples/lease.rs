//! Leases the next entry of a queue and releases it, a given number of times. `cargo xtask bench instructions`
//! counts the instructions that this takes.

use listgate::queue::{Queue, Verdict};
use std::{env, error::Error, path::PathBuf, time::Duration};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let mut next = || arguments.next().ok_or("usage: lease DATA_DIR QUEUE TIMES");
    let mut queue = Queue::open(&PathBuf::from(next()?), next()?.parse()?)?;
    for _ in 0..next()?.parse()? {
        let lease = queue.lease(1, Duration::from_secs(60))?.pop().ok_or("nothing waits")?;
        queue.settle(&[(lease, Verdict::Release)])?;
    }
    Ok(())
}
