//! Functions of single numbers, sixteen at a time: activations and soft caps.
//!
//! Used by the kernels beside this file.

use crate::cpu::lanes::{Lanes, exp, splat};

/// `x / (1 + e^(-gain * x))`.
#[inline(always)]
pub(crate) fn swish<L: Lanes>(x: L, gain: f32) -> L {
    let one = splat(x, 1.0);
    x.div(one.add(exp(splat(x, 0.0).sub(x.mul(splat(x, gain))))))
}

/// `x / (1 + e^-x)`.
#[inline(always)]
pub(crate) fn silu<L: Lanes>(x: L) -> L {
    x.div(splat(x, 1.0).add(exp(splat(x, 0.0).sub(x))))
}

/// `x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x³)))`.
#[inline(always)]
pub(crate) fn gelu<L: Lanes>(x: L) -> L {
    let cube = x.mul(x).mul(x);
    let inner = splat(x, 0.797_884_6).mul(splat(x, 0.044_715).mul_add(cube, x));
    x.mul(splat(x, 0.5)).mul(splat(x, 1.0).add(tanh(inner)))
}

/// `cap * tanh(x / cap)`.
#[inline(always)]
pub(crate) fn capped<L: Lanes>(x: L, cap: f32) -> L {
    let cap = splat(x, cap);
    cap.mul(tanh(x.div(cap)))
}

/// The hyperbolic tangent; error below 3e-7.
///
/// Near 0 by the polynomial of the Cephes library; what lies beyond is added by
/// `tanh(a + b) = (tanh a + tanh b) / (1 + tanh a tanh b)`, so that no lane needs a choice.
#[inline(always)]
pub(crate) fn tanh<L: Lanes>(x: L) -> L {
    const NEAR: f32 = 0.625;
    let near = x.max(splat(x, -NEAR)).min(splat(x, NEAR));
    let rest = x.sub(near);
    let square = near.mul(near);
    let mut polynomial = splat(x, -5.704_989e-3);
    for coefficient in [2.063_909e-2, -5.373_971_6e-2, 1.333_144_2e-1, -3.333_328e-1] {
        polynomial = polynomial.mul_add(square, splat(x, coefficient));
    }
    let of_near = polynomial.mul(square).mul_add(near, near);
    let one = splat(x, 1.0);
    let of_rest = one.sub(splat(x, 2.0).div(one.add(exp(rest.add(rest)))));
    of_near.add(of_rest).div(of_near.mul_add(of_rest, one))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::lanes::LANES;
    use crate::cpu::lanes::portable::Portable;

    /// The greatest distance between a function and its meaning in double precision, from -20 to 20.
    #[expect(unsafe_code, reason = "the portable lanes exist everywhere")]
    fn distance(function: impl Fn(Portable) -> Portable, meaning: impl Fn(f64) -> f64) -> f64 {
        let at = |step: i32| {
            let x = step as f32 * 1e-3;
            let mut lanes = [0.0; LANES];
            // SAFETY: the portable set is on every machine, and the array has sixteen places.
            unsafe { function(Portable::splat(x)).store(lanes.as_mut_ptr()) };
            (f64::from(lanes[0]) - meaning(f64::from(x))).abs() / f64::from(x).abs().max(1.0)
        };
        (-20_000..=20_000).map(at).fold(0.0, f64::max)
    }

    #[test]
    fn functions_are_near_their_meaning() {
        assert!(distance(tanh, f64::tanh) < 3e-7);
        assert!(distance(|x| capped(x, 5.0), |x| 5.0 * (x / 5.0).tanh()) < 1.5e-6);
        assert!(distance(silu, |x| x / (1.0 + (-x).exp())) < 5e-7);
        assert!(distance(|x| swish(x, 1.702), |x| x / (1.0 + (-1.702 * x).exp())) < 1e-6);
        let gelu_of = |x: f64| {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
            x / 2.0 * (1.0 + inner.tanh())
        };
        assert!(distance(gelu, gelu_of) < 5e-7);
    }
}
