//! Numbers that a seed decides.

/// Returns the next number of a sequence (SplitMix64).
pub(crate) fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Returns the next number of a sequence, from 0 up to 1.
pub(crate) fn fraction(state: &mut u64) -> f64 {
    // 53 bits are what a double holds.
    (next(state) >> 11) as f64 / (1_u64 << 53) as f64
}
