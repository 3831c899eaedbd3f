//! Recognizes a mail server that refuses all recipients.

/// The number of doubtful refusals in a row after which the server is taken to refuse all mail.
const MOST: u32 = 10;

/// Recipients in a row, across transactions, whom the mail server refused for a reason that may concern all mail.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    in_a_row: u32,
    /// Grows whenever a row ends.
    row: u64,
}

/// The row in which a recipient was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Row(u64);

impl Refusals {
    /// Notes that a recipient was accepted: refusals before concern their recipients alone.
    pub(super) fn accepted(&mut self) {
        if self.in_a_row > 0 {
            self.in_a_row = 0;
            self.row += 1;
        }
    }

    /// Notes a doubtful refusal.
    pub(super) fn refused(&mut self) -> Row {
        self.in_a_row += 1;
        Row(self.row)
    }

    /// Returns whether the server is taken to refuse all mail.
    pub(super) fn is_stopped(&self) -> bool {
        self.in_a_row >= MOST
    }

    /// Returns whether a recipient has been accepted after the refusals of a row.
    pub(super) fn has_ended(&self, row: Row) -> bool {
        row.0 != self.row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_refusals_in_a_row_stop_all_mail() {
        let mut refusals = Refusals::default();
        let first = refusals.refused();
        for _ in 0..8 {
            refusals.refused();
        }
        assert!(!refusals.is_stopped() && !refusals.has_ended(first));
        refusals.accepted();
        assert!(refusals.has_ended(first));
        for _ in 0..10 {
            assert!(!refusals.is_stopped());
            refusals.refused();
        }
        assert!(refusals.is_stopped());
        refusals.accepted();
        assert!(!refusals.is_stopped());
    }
}
