//! Every set's [`Quads`] against plain Rust, where all of them are defined.

use super::*;
use crate::cpu::lanes::LANES;

/// Bytes that reach every corner: a fixed sequence over all values.
fn bytes(seed: u32) -> [u8; QUADS_BYTES] {
    let mut state = seed;
    std::array::from_fn(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
}

fn floats<Q: Quads>(quads: Q) -> [u32; LANES] {
    let mut lanes = [0.0f32; LANES];
    // SAFETY: the array has sixteen places.
    unsafe { quads.to_floats().store(lanes.as_mut_ptr()) };
    lanes.map(f32::to_bits)
}

/// What every method gives for some bytes, as numbers.
#[inline(always)]
unsafe fn results<Q: Quads>(seed: u32) -> Vec<[u32; LANES]> {
    let mut extreme = bytes(seed);
    extreme[..8].copy_from_slice(&[255, 255, 255, 255, 0, 0, 128, 127]);
    let mut activations = bytes(seed + 1).map(|byte| if byte == 128 { 129 } else { byte });
    activations[..8].copy_from_slice(&[127, 127, 127, 127, 129, 129, 129, 129]);
    // SAFETY: the caller has the instruction set; all arrays are long enough.
    unsafe {
        let (weights, activations) = (Q::load(extreme.as_ptr()), Q::load(activations.as_ptr()));
        let small = weights.and(Q::splat(0x7f7f_7f7f));
        let table: [u8; 16] = std::array::from_fn(|at| (at * 11) as u8);
        vec![
            floats(weights.shift_right::<9>()),
            floats(weights.shift_left::<3>()),
            floats(weights.or(activations).shift_right::<8>()),
            floats(Q::splat(-5).dot::<false>(weights, activations)),
            floats(Q::splat(7).dot::<true>(small, activations)),
            floats(weights.and(Q::splat(0x0f0f_0f0f)).look_up(&table).shift_right::<8>()),
            floats(Q::widen_signed(extreme.as_ptr())),
            floats(Q::widen_unsigned(extreme.as_ptr()).add(Q::splat(-300))),
            stored::<Q>(extreme.as_ptr()),
        ]
    }
}

unsafe fn stored<Q: Quads>(from: *const u8) -> [u32; LANES] {
    let mut bytes = [0i8; LANES];
    // SAFETY: as above; no byte is -128 after the shift.
    unsafe {
        Q::store_bytes(
            Q::widen_signed(from).to_floats().mul(Q::Floats::splat(0.5)).round(),
            bytes.as_mut_ptr(),
        )
    };
    bytes.map(|byte| i32::from(byte) as u32)
}

#[test]
#[cfg(target_arch = "x86_64")]
fn every_instruction_set_gives_the_numbers_of_plain_rust() {
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn avx2(seed: u32) -> Vec<[u32; LANES]> {
        // SAFETY: the instruction set is enabled here.
        unsafe { results::<Avx2Quads>(seed) }
    }
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")]
    unsafe fn avx512(seed: u32) -> Vec<[u32; LANES]> {
        // SAFETY: the instruction set is enabled here.
        unsafe { results::<Avx512Quads>(seed) }
    }
    for seed in 0..500 {
        // SAFETY: the portable set is everywhere, the others are asked for.
        let plain = unsafe { results::<PortableQuads>(seed) };
        if is_x86_feature_detected!("avx2") {
            // SAFETY: as above.
            assert_eq!(unsafe { avx2(seed) }, plain, "AVX2, seed {seed}");
        }
        if is_x86_feature_detected!("avx512vnni") && is_x86_feature_detected!("avx512vl") {
            // SAFETY: as above.
            assert_eq!(unsafe { avx512(seed) }, plain, "AVX-512, seed {seed}");
        }
    }
}
