//! The floor of the hardware: the same octets appended and synced, and nothing else.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use xtask::run::Outcome;

/// The size of the file in octets; it is written from start to end again and again. It is zero-filled first,
/// so that no sync has to change the file's metadata.
const FILE: u64 = 256 << 20;

pub(super) struct Floor {
    file: File,
    path: PathBuf,
    at: u64,
}

/// The results of the syncs. Latencies are for a write and its sync together, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Synced {
    /// Octets per second.
    pub(super) octets: f64,
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) max: f64,
}

impl Floor {
    pub(super) fn create(path: &Path) -> Outcome<Self> {
        let fill = || -> std::io::Result<File> {
            let file = File::options().create(true).truncate(true).write(true).open(path)?;
            let zeros = vec![0; 1 << 20];
            for at in (0..FILE).step_by(zeros.len()) {
                file.write_all_at(&zeros, at)?;
            }
            file.sync_all()?;
            Ok(file)
        };
        let file = fill().map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self { file, path: path.to_owned(), at: 0 })
    }

    /// Writes and syncs `octets` repeatedly.
    pub(super) fn run(&mut self, octets: usize, seconds: f64) -> Outcome<Synced> {
        self.sync_until(octets, Duration::ZERO, |start| start.elapsed().as_secs_f64() >= seconds)
    }

    /// Does the same with a pause after each sync, until `end` returns true: a probe beside a load.
    pub(super) fn sync_until(
        &mut self,
        octets: usize,
        pause: Duration,
        end: impl Fn(Instant) -> bool,
    ) -> Outcome<Synced> {
        let buffer = vec![b'x'; octets];
        let mut latencies = Vec::new();
        let start = Instant::now();
        while latencies.is_empty() || !end(start) {
            let start = Instant::now();
            if self.at + octets as u64 > FILE {
                self.at = 0;
            }
            let written = self.file.write_all_at(&buffer, self.at).and_then(|()| self.file.sync_data());
            written.map_err(|error| format!("{}: {error}", self.path.display()))?;
            self.at += octets as u64;
            latencies.push(start.elapsed().as_secs_f64() * 1000.0);
            std::thread::sleep(pause);
        }
        let octets = (octets * latencies.len()) as f64 / start.elapsed().as_secs_f64();
        latencies.sort_by(f64::total_cmp);
        let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share).round() as usize];
        Ok(Synced { octets, p50: at(0.5), p99: at(0.99), max: at(1.0) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_are_synced_and_counted() {
        let path = std::env::temp_dir().join(format!("listgate-compare-floor-{}", std::process::id()));
        let mut floor = Floor::create(&path).expect("a temporary file");
        assert_eq!(std::fs::metadata(&path).expect("it was just written").len(), FILE);
        let synced = floor.run(4096, 0.0).expect("a sync");
        assert!(synced.octets > 0.0 && synced.p50 <= synced.p99 && synced.p99 <= synced.max);
        assert_eq!(floor.at, 4096);
        std::fs::remove_file(&path).expect("it was just written");
    }
}
