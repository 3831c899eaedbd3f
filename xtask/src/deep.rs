//! `cargo xtask deep`: what takes longer than a commit should wait.

use crate::run::Steps;
use crate::{bench, test};

/// Read by proptest, and by the test that kills the gate under load.
const MANY: &[(&str, &str)] = &[("PROPTEST_CASES", "20000"), ("LISTGATE_ROUNDS", "500")];

pub(crate) fn run() -> bool {
    let mut steps = Steps::default();
    let summary = test::tests(&mut steps, MANY);
    steps.step("cargo xtask bench", || bench::run(&bench::Plan::default()));
    test::close(&steps, &summary, false)
}
