//! One value for each accepted recipient: a length that cannot be wrong.

/// One `T` per accepted recipient of one transaction, in the order of their RCPT commands,
/// duplicates included. Only a [`Session`](crate::Session) makes one and only
/// [`map`](Self::map) changes one, so what goes back into the session has the length of what came
/// out of it (RFC 2033 section 4.2).
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

    /// The values, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.items.iter()
    }

    /// The values, in order, to be changed.
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
