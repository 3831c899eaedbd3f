//! Mailman's own LMTP runner, in whose place the gate listens.

/// Returns whether a greeting, such as `220 mx.example.org GNU Mailman LMTP runner 2.0`, is that of Mailman's own
/// LMTP runner.
pub(crate) fn is_own_runner(greeting: &str) -> bool {
    greeting.starts_with("220") && greeting.contains(" GNU Mailman LMTP runner")
}
