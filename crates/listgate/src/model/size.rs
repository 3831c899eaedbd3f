//! Sizes as people write them.

/// Returns a size in the largest unit that divides it, so that nothing is rounded: `50MiB`.
pub(crate) fn size(octets: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let unit = units.into_iter().find(|(bits, _)| octets > 0 && octets.is_multiple_of(1 << bits));
    let (bits, unit) = unit.unwrap_or((0, "B"));
    format!("{}{unit}", octets >> bits)
}
