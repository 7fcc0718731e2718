//! Every type of weights, multiplied by every instruction set, against sums in double precision.

use super::*;
use crate::checkpoint::Scales;
use crate::cpu::kernels::InstructionSet;

const ROWS: usize = 37;
const COLUMNS: usize = 512;
/// Rows of activations: tiles of every height are used.
const COUNT: usize = 15;

const TYPES: [Dtype; 18] = [
    Dtype::F32,
    Dtype::F16,
    Dtype::Bf16,
    Dtype::Affine { bits: 2, group: 32 },
    Dtype::Affine { bits: 3, group: 64 },
    Dtype::Affine { bits: 4, group: 32 },
    Dtype::Affine { bits: 4, group: 128 },
    Dtype::Affine { bits: 5, group: 64 },
    Dtype::Affine { bits: 6, group: 64 },
    Dtype::Affine { bits: 8, group: 64 },
    Dtype::Mxfp4,
    Dtype::Mxfp4Blocks,
    Dtype::Q4_0,
    Dtype::Q5_0,
    Dtype::Q8_0,
    Dtype::Q4K,
    Dtype::Q5K,
    Dtype::Q6K,
];

/// A fixed sequence of numbers.
struct Noise(u32);

impl Noise {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0 >> 8
    }

    fn float(&mut self) -> f32 {
        self.next() as f32 / (1 << 23) as f32 - 1.0
    }
}

/// A file's bytes: all bits random, but scales that are numbers.
fn file_bytes(dtype: Dtype, noise: &mut Noise) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let mut bytes: Vec<u8> =
        (0..ROWS * dtype.row_bytes(COLUMNS).unwrap()).map(|_| noise.next() as u8).collect();
    let halves: &[usize] = match dtype {
        Dtype::Q4_0 | Dtype::Q5_0 | Dtype::Q8_0 => &[0],
        Dtype::Q4K | Dtype::Q5K => &[0, 2],
        Dtype::Q6K => &[208],
        _ => &[],
    };
    for block in bytes.chunks_exact_mut(dtype.block().1) {
        match dtype {
            Dtype::F32 => block.copy_from_slice(&noise.float().to_le_bytes()),
            Dtype::F16 => block.copy_from_slice(&half::f16::from_f32(noise.float()).to_le_bytes()),
            Dtype::Bf16 => block.copy_from_slice(&half::bf16::from_f32(noise.float()).to_le_bytes()),
            Dtype::Mxfp4Blocks => block[0] = 120 + (noise.next() % 8) as u8,
            _ => {}
        }
        for &at in halves {
            block[at..at + 2].copy_from_slice(&half::f16::from_f32(0.01 * noise.float()).to_le_bytes());
        }
    }
    match dtype {
        Dtype::Affine { group, .. } => {
            let mut numbers = |factor: f32| -> Vec<u8> {
                let count = ROWS * COLUMNS / usize::from(group);
                (0..count).flat_map(|_| half::bf16::from_f32(factor * noise.float()).to_le_bytes()).collect()
            };
            (bytes, numbers(0.1), numbers(1.0))
        }
        Dtype::Mxfp4 => {
            let scales = (0..ROWS * COLUMNS / 32).map(|_| 120 + (noise.next() % 8) as u8).collect();
            (bytes, scales, Vec::new())
        }
        _ => (bytes, Vec::new(), Vec::new()),
    }
}

/// Two tensors of the type below each other, and one of plain numbers between others.
fn matrix(dtype: Dtype) -> Matrix {
    let mut noise = Noise(dtype.block().1 as u32);
    let (bytes, scales, biases) = file_bytes(dtype, &mut noise);
    let (plain, ..) = file_bytes(Dtype::F32, &mut noise);
    let groups = Scales { dtype: Dtype::Bf16, scales: &scales, biases: &biases };
    let shape = [ROWS as u64, COLUMNS as u64];
    let view = TensorView {
        scales: (!scales.is_empty()).then_some(groups),
        ..TensorView::new(dtype, &shape, &bytes)
    };
    let parts = [view, view, TensorView::new(Dtype::F32, &shape, &plain), view];
    let bias = (0..4 * ROWS).map(|_| noise.float()).collect();
    Matrix::pack(&mut Arena::default(), &parts, COLUMNS, bias).unwrap()
}

fn activations() -> Vec<f32> {
    let mut noise = Noise(7);
    let mut numbers: Vec<f32> = (0..COUNT * COLUMNS).map(|_| noise.float()).collect();
    // A block of zeros, and one that cannot be told from zeros.
    numbers[32..64].fill(0.0);
    numbers[64..96].fill(1e-40);
    numbers
}

/// As bytes with a scale per 32 would have them.
fn quantised(row: &[f32]) -> Vec<f32> {
    let blocks = row.chunks_exact(32).flat_map(|block| {
        let greatest = block.iter().fold(0.0f32, |greatest, number| greatest.max(number.abs()));
        let (scale, inverse) =
            if greatest < 1e-35 { (0.0, 0.0) } else { (greatest / 127.0, 127.0 / greatest) };
        block.iter().map(move |number| (number * inverse).round_ties_even() * scale).collect::<Vec<_>>()
    });
    blocks.collect()
}

fn product(matrix: &Matrix, set: InstructionSet, threads: usize, rows: Range<usize>) -> Vec<f32> {
    let kernels = Kernels::of(set).unwrap();
    let numbers = activations();
    let x = Rows { numbers: &numbers[rows.start * COLUMNS..], stride: COLUMNS, count: rows.len() };
    let mut y = vec![1.0; rows.len() * matrix.rows];
    matrix.multiply(&mut Pool::new(threads), &kernels, x, &mut y, matrix.rows, true);
    y
}

#[test]
fn every_type_multiplies_by_what_its_rows_say() {
    let numbers = activations();
    for dtype in TYPES {
        let matrix = matrix(dtype);
        let y = product(&matrix, InstructionSet::Portable, 1, 0..COUNT);
        let mut weights = vec![0.0; COLUMNS];
        for row in 0..matrix.rows {
            matrix.copy_row(row, &mut weights);
            let is_plain = (2 * ROWS..3 * ROWS).contains(&row);
            let has_integers =
                !is_plain && blocks::format_of(dtype).is_some_and(|format| format.has_integers());
            for (index, x) in numbers.chunks_exact(COLUMNS).enumerate() {
                let x = if has_integers { quantised(x) } else { x.to_vec() };
                let products = weights.iter().zip(&x).map(|(&weight, &x)| f64::from(weight) * f64::from(x));
                let expected = products.clone().sum::<f64>() + f64::from(matrix.bias[row]) + 1.0;
                let size = products.map(f64::abs).sum::<f64>() + 1.0;
                let found = f64::from(y[index * matrix.rows + row]);
                assert!(
                    (found - expected).abs() < 3e-6 * size,
                    "{dtype:?}, {row}, {index}: {found} {expected}"
                );
            }
        }
    }
}

#[test]
fn every_instruction_set_and_every_batch_gives_the_same_bits() {
    let bits = |numbers: Vec<f32>| numbers.into_iter().map(f32::to_bits).collect::<Vec<_>>();
    for dtype in TYPES {
        let matrix = matrix(dtype);
        let expected = bits(product(&matrix, InstructionSet::Portable, 1, 0..COUNT));
        for set in InstructionSet::available() {
            for threads in [1, 3] {
                assert!(bits(product(&matrix, set, threads, 0..COUNT)) == expected, "{dtype:?}, {set:?}");
            }
            for rows in [3..4, 5..7, 2..9] {
                let found = bits(product(&matrix, set, 1, rows.clone()));
                let expected = &expected[rows.start * matrix.rows..rows.end * matrix.rows];
                assert!(found == expected, "{dtype:?}, {set:?}, {rows:?}");
            }
        }
    }
}

#[test]
fn memory_is_what_is_taken() {
    for dtype in TYPES {
        let matrix = matrix(dtype);
        let segment = &matrix.segments[0];
        let bytes: usize = match &segment.numbers {
            Numbers::Plain(Plain::F32(numbers)) => 4 * numbers.len(),
            Numbers::Plain(Plain::Bf16(numbers)) => 2 * numbers.len(),
            Numbers::Plain(Plain::F16(numbers)) => 2 * numbers.len(),
            Numbers::Blocks(blocks) => blocks.headers.len() + blocks.quants.len(),
        };
        assert_eq!(bytes as u64, matrix_bytes(dtype, segment.rows, COLUMNS), "{dtype:?}");
    }
}
