//! The kernels, compiled once per instruction set and chosen once per process.
//!
//! Each kernel is generic code in a file below, written against [`Lanes`](super::lanes::Lanes). Here it is instantiated inside functions
//! that enable an instruction set, and put into a table. The step calls through the table.
#![expect(
    unsafe_code,
    reason = "calling code for an instruction set is unsafe until the machine is known to have it"
)]

pub(crate) mod attention;
pub(crate) mod blocks;
mod functions;
pub(crate) mod product;
pub(crate) mod rows;

use super::lanes::Half;
use super::lanes::portable::Portable;
use super::lanes::quads::PortableQuads;
use attention::{AttentionJob, AttentionUnit};
use blocks::BlockJob;
use blocks::activations::PrepareJob;
use product::ProductJob;
use rows::{CapJob, GateJob, NormJob, RotateJob};
use std::ops::Range;

/// An instruction set that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstructionSet {
    /// Plain Rust, on any machine.
    Portable,
    /// AVX2, FMA and F16C.
    Avx2,
    /// AVX-512 F, BW, DQ and VL, and VNNI where there is one.
    Avx512,
    /// NEON, on every 64-bit ARM.
    Neon,
}

impl InstructionSet {
    /// Those that this machine has, the widest last.
    pub fn available() -> Vec<InstructionSet> {
        let mut sets = vec![InstructionSet::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c");
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl");
            if avx2 {
                sets.push(InstructionSet::Avx2);
            }
            if avx2 && avx512 {
                sets.push(InstructionSet::Avx512);
            }
        }
        #[cfg(target_arch = "aarch64")]
        sets.push(InstructionSet::Neon);
        sets
    }
}

/// One function per kernel, all for the same instruction set.
///
/// All are unsafe: the machine must have the instruction set (which the only way to a table checks), and what a
/// job says of its pointers must be true.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kernels {
    pub(crate) product_f32: unsafe fn(&ProductJob<f32>, Range<usize>),
    pub(crate) product_bf16: unsafe fn(&ProductJob<u16>, Range<usize>),
    pub(crate) product_f16: unsafe fn(&ProductJob<Half>, Range<usize>),
    pub(crate) product_blocks: unsafe fn(&BlockJob, Range<usize>),
    pub(crate) prepare: unsafe fn(&PrepareJob, Range<usize>),
    pub(crate) attention: unsafe fn(&AttentionJob, &AttentionUnit),
    pub(crate) norm: unsafe fn(&NormJob, Range<usize>),
    pub(crate) gate: unsafe fn(&GateJob, Range<usize>),
    pub(crate) rotate: unsafe fn(&RotateJob, Range<usize>),
    pub(crate) cap: unsafe fn(&CapJob, Range<usize>),
}

impl Kernels {
    /// The table of an instruction set; none if the machine does not have it.
    pub(crate) fn of(set: InstructionSet) -> Option<Kernels> {
        if !InstructionSet::available().contains(&set) {
            return None;
        }
        match set {
            InstructionSet::Portable => Some(for_portable::KERNELS),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => Some(for_avx2::KERNELS),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 => Some(match is_x86_feature_detected!("avx512vnni") {
                true => for_avx512::KERNELS,
                false => Kernels { product_blocks: for_avx2::product_blocks, ..for_avx512::KERNELS },
            }),
            #[cfg(target_arch = "aarch64")]
            InstructionSet::Neon => Some(for_neon::KERNELS),
            #[cfg(not(all(target_arch = "x86_64", target_arch = "aarch64")))]
            _ => None,
        }
    }
}

/// Compiles all kernels for one instruction set.
macro_rules! instantiate {
    ($module:ident, $lanes:ty, $quads:ty $(, #[$feature:meta], #[$block_feature:meta])?) => {
        mod $module {
            use super::*;

            pub(super) const KERNELS: Kernels = Kernels {
                product_f32,
                product_bf16,
                product_f16,
                product_blocks,
                prepare,
                attention,
                norm,
                gate,
                rotate,
                cap,
            };

            $(#[$feature])?
            unsafe fn product_f32(job: &ProductJob<f32>, groups: Range<usize>) {
                // SAFETY: the caller's promises, and the instruction set is enabled here.
                unsafe { product::product::<$lanes, f32>(job, groups) }
            }
            $(#[$feature])?
            unsafe fn product_bf16(job: &ProductJob<u16>, groups: Range<usize>) {
                // SAFETY: as above.
                unsafe { product::product::<$lanes, u16>(job, groups) }
            }
            $(#[$feature])?
            unsafe fn product_f16(job: &ProductJob<Half>, groups: Range<usize>) {
                // SAFETY: as above.
                unsafe { product::product::<$lanes, Half>(job, groups) }
            }
            $(#[$block_feature])?
            pub(super) unsafe fn product_blocks(job: &BlockJob, groups: Range<usize>) {
                // SAFETY: as above.
                unsafe { blocks::product::<$quads>(job, groups) }
            }
            $(#[$feature])?
            unsafe fn prepare(job: &PrepareJob, rows: Range<usize>) {
                // SAFETY: as above.
                unsafe { blocks::activations::prepare::<$quads>(job, rows) }
            }
            $(#[$feature])?
            unsafe fn attention(job: &AttentionJob, unit: &AttentionUnit) {
                // SAFETY: as above.
                unsafe { attention::attend::<$lanes>(job, unit) }
            }
            $(#[$feature])?
            unsafe fn norm(job: &NormJob, rows: Range<usize>) {
                // SAFETY: as above.
                unsafe { rows::norm_rows::<$lanes>(job, rows) }
            }
            $(#[$feature])?
            unsafe fn gate(job: &GateJob, rows: Range<usize>) {
                // SAFETY: as above.
                unsafe { rows::gate_rows::<$lanes>(job, rows) }
            }
            $(#[$feature])?
            unsafe fn rotate(job: &RotateJob, rows: Range<usize>) {
                // SAFETY: as above.
                unsafe { rows::rotate_rows::<$lanes>(job, rows) }
            }
            $(#[$feature])?
            unsafe fn cap(job: &CapJob, pieces: Range<usize>) {
                // SAFETY: as above.
                unsafe { rows::cap_pieces::<$lanes>(job, pieces) }
            }
        }
    };
}

instantiate!(for_portable, Portable, PortableQuads);
#[cfg(target_arch = "x86_64")]
instantiate!(
    for_avx2,
    crate::cpu::lanes::avx2::Avx2,
    crate::cpu::lanes::quads::Avx2Quads,
    #[target_feature(enable = "avx2,fma,f16c")],
    #[target_feature(enable = "avx2,fma,f16c")]
);
#[cfg(target_arch = "x86_64")]
instantiate!(
    for_avx512,
    crate::cpu::lanes::avx512::Avx512,
    crate::cpu::lanes::quads::Avx512Quads,
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")],
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")]
);
#[cfg(target_arch = "aarch64")]
instantiate!(
    for_neon,
    crate::cpu::lanes::neon::Neon,
    crate::cpu::lanes::quads::NeonQuads,
    #[target_feature(enable = "neon")],
    #[target_feature(enable = "neon")]
);
