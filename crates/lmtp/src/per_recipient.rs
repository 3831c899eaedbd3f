//! One value for each accepted recipient; the type guarantees their number.

/// One `T` for each accepted recipient of a transaction, in the order of their RCPT commands, including
/// duplicates. Only a [`Session`](crate::Session) makes one, and no method changes the number of values, so
/// the session gets back as many as it gave out (RFC 2033 section 4.2).
#[must_use = "a session waits for the outcome of each recipient"]
#[derive(Debug)]
pub struct PerRecipient<T> {
    transaction: u64,
    items: Vec<T>,
}

impl<T> PerRecipient<T> {
    pub(crate) fn new(transaction: u64, items: Vec<T>) -> Self {
        Self { transaction, items }
    }

    /// Replaces every value, in order.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> PerRecipient<U> {
        PerRecipient { transaction: self.transaction, items: self.items.into_iter().map(change).collect() }
    }

    /// Iterates over the values, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.items.iter()
    }

    /// Iterates over the values, in order, and allows changing them.
    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, T> {
        self.items.iter_mut()
    }

    pub(crate) fn transaction(&self) -> u64 {
        self.transaction
    }
}

impl<'a, T> IntoIterator for &'a PerRecipient<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a, T> IntoIterator for &'a mut PerRecipient<T> {
    type Item = &'a mut T;
    type IntoIter = std::slice::IterMut<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_changed_in_place() {
        let mut values = PerRecipient::new(1, vec![1, 2]);
        for value in &mut values {
            *value *= 10;
        }
        assert_eq!(values.iter().collect::<Vec<_>>(), [&10, &20]);
    }
}
