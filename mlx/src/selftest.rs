//! Whether the device computes what the CPU computes.
//!
//! Compilers of GPU kernels have had faults that gave silently wrong products, at some numbers of rows and not at
//! others (with one row another kernel runs than with sixteen). So before a model is served on a GPU, products of a
//! few heights are compared with the CPU's. The mathematics is the same on every machine, and so is this test of it.

use mlx_rs::error::Exception;
use mlx_rs::ops::{dequantize, matmul, quantize, quantized_matmul};
use mlx_rs::{Array, Dtype, Stream, with_stream};

/// One for the kernel of single rows, 16 for small tiles, 720 for large ones with a rest.
const ROWS: [i32; 3] = [1, 16, 720];
/// Inputs and outputs of the products: more than any tile has, with a rest of none.
const WIDTH: i32 = 512;
const GROUP: i32 = 64;
const BITS: i32 = 4;
/// Relative error that rounding to bf16 stays far below, and a fault does not.
const ERROR_MAX: f32 = 0.05;

/// What was computed wrongly.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A product differs from the CPU's.
    #[error(
        "this machine's GPU computes {product} of {rows} rows in {dtype:?} wrongly (relative error {error}): some \
         compilers do that; build with MACOSX_DEPLOYMENT_TARGET=26.2, or set engine.backend to cpu"
    )]
    Wrong {
        /// Which kind of product.
        product: &'static str,
        /// Its rows.
        rows: i32,
        /// Type of its numbers.
        dtype: Dtype,
        /// Length of the difference by the length of what is right.
        error: f32,
    },
    /// The library failed.
    #[error("mlx: {0}")]
    Mlx(#[from] Exception),
}

/// Compares products on `device` with those of the CPU.
pub fn check(device: &Stream) -> Result<(), Fault> {
    for dtype in [Dtype::Float32, Dtype::Float16, Dtype::Bfloat16] {
        let weight = pattern(WIDTH, 3, dtype)?;
        for rows in ROWS {
            let x = pattern(rows, 7, dtype)?;
            let [plain, quantised] = with_stream(device, || products(&x, &weight))?;
            for (product, found, exact) in [
                ("the product", plain, exact(&x, &weight, false)?),
                ("the quantised product", quantised, exact(&x, &weight, true)?),
            ] {
                let error = relative_error(&found, &exact)?;
                if error.is_nan() || error > ERROR_MAX {
                    return Err(Fault::Wrong { product, rows, dtype, error });
                }
            }
        }
    }
    Ok(())
}

/// A plain product and a quantised one, as a model computes them.
fn products(x: &Array, weight: &Array) -> Result<[Array; 2], Exception> {
    let plain = matmul(x, weight.transpose()?)?;
    let (packed, scales, offsets) = quantize(weight, GROUP, BITS)?;
    let quantised = quantized_matmul(x, packed, scales, &offsets, true, GROUP, BITS)?;
    plain.eval()?;
    quantised.eval()?;
    Ok([plain, quantised])
}

/// The same in f32 on the CPU.
fn exact(x: &Array, weight: &Array, is_quantised: bool) -> Result<Array, Exception> {
    with_stream(&Stream::cpu(), || {
        let weight = match is_quantised {
            false => weight.clone(),
            true => {
                let (packed, scales, offsets) = quantize(weight, GROUP, BITS)?;
                dequantize(packed, scales, &offsets, GROUP, BITS)?
            }
        };
        let product = matmul(x.as_dtype(Dtype::Float32)?, weight.as_dtype(Dtype::Float32)?.transpose()?)?;
        product.eval()?;
        Ok(product)
    })
}

fn relative_error(found: &Array, exact: &Array) -> Result<f32, Exception> {
    with_stream(&Stream::cpu(), || {
        let found = found.as_dtype(Dtype::Float32)?;
        let length = |x: &Array| {
            x.multiply(x)?
                .sum(false)?
                .try_item_exact::<f32>()
                .map_err(|error| Exception::custom(error.to_string()))
        };
        Ok((length(&found.subtract(exact)?)? / length(exact)?).sqrt())
    })
}

/// Numbers between -1 and 1 without a pattern that a product could hide in: `[rows, WIDTH]`.
fn pattern(rows: i32, seed: u32, dtype: Dtype) -> Result<Array, Exception> {
    let mut state = seed;
    let mut next = || {
        // The constants of Numerical Recipes; the upper bits are good enough.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1u32 << 23) as f32 - 1.0
    };
    let numbers: Vec<f32> = (0..rows * WIDTH).map(|_| next()).collect();
    with_stream(&Stream::cpu(), || {
        let array = Array::from_slice(&numbers, &[rows, WIDTH]).as_dtype(dtype)?;
        array.eval()?;
        Ok(array)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mathematics_of_the_yardstick_is_right() {
        let weight = pattern(WIDTH, 3, Dtype::Float32).unwrap();
        for rows in ROWS {
            let x = pattern(rows, 7, Dtype::Float32).unwrap();
            let [plain, quantised] = products(&x, &weight).unwrap();
            for (found, is_quantised) in [(plain, false), (quantised, true)] {
                let error = relative_error(&found, &exact(&x, &weight, is_quantised).unwrap()).unwrap();
                assert!(error < 1e-5, "{rows} rows: {error}");
            }
        }
    }

    #[test]
    fn a_wrong_tile_is_seen() {
        let (x, weight) =
            (pattern(16, 7, Dtype::Float32).unwrap(), pattern(WIDTH, 3, Dtype::Float32).unwrap());
        let right = exact(&x, &weight, false).unwrap();
        let mut numbers = right.as_slice::<f32>().to_vec();
        numbers[8 * WIDTH as usize..][..32].fill(0.0);
        let wrong = Array::from_slice(&numbers, &[16, WIDTH]);
        assert!(relative_error(&wrong, &right).unwrap() > ERROR_MAX);
    }
}
