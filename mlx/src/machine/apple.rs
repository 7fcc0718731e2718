//! What macOS says of memory and heat, in calls that nothing else offers. The only file that Linux does not run.
#![expect(unsafe_code, reason = "calls of the system's own library")]

use std::ffi::{CStr, c_char, c_int, c_void};

/// Published by the system for programs that want to know how hot it is.
const THERMAL_KEY: &CStr = c"com.apple.system.thermalpressurelevel";
/// `RUSAGE_INFO_V0`: 16 bytes of a UUID and ten numbers of 64 bits.
const USAGE_FLAVOR: c_int = 0;
const USAGE_WORDS: usize = 12;
/// `ri_phys_footprint` among them.
const FOOTPRINT_WORD: usize = 9;

unsafe extern "C" {
    fn notify_register_check(name: *const c_char, token: *mut c_int) -> u32;
    fn notify_get_state(token: c_int, state: *mut u64) -> u32;
    fn notify_cancel(token: c_int) -> u32;
    fn proc_pid_rusage(pid: c_int, flavor: c_int, buffer: *mut c_void) -> c_int;
}

/// Bytes that the GPU works with best, as Metal says.
pub(super) fn recommended_bytes() -> Option<u64> {
    let mut bytes = 0usize;
    // SAFETY: each handle is used between its making and its one freeing; the key is a C string.
    let is_known = unsafe {
        let device = mlx_sys::mlx_device_new_type(mlx_sys::mlx_device_type__MLX_GPU, 0);
        let mut info = mlx_sys::mlx_device_info_new();
        let key = c"max_recommended_working_set_size";
        let is_known = mlx_sys::mlx_device_info_get(&mut info, device) == 0
            && mlx_sys::mlx_device_info_get_size(&mut bytes, info, key.as_ptr()) == 0;
        mlx_sys::mlx_device_info_free(info);
        mlx_sys::mlx_device_free(device);
        is_known
    };
    is_known.then_some(bytes as u64).filter(|&bytes| bytes > 0)
}

/// How much the machine slows itself down: 0 not at all, 1 a little, 2 much, more beyond.
pub(super) fn thermal_level() -> Option<u64> {
    let (mut token, mut level) = (0, 0u64);
    // SAFETY: the name is a C string, both results have a place, and the token is given back.
    let is_known = unsafe {
        notify_register_check(THERMAL_KEY.as_ptr(), &mut token) == 0 && {
            let is_known = notify_get_state(token, &mut level) == 0;
            notify_cancel(token);
            is_known
        }
    };
    is_known.then_some(level)
}

/// Memory that the system counts as this process', the GPU's share of it included.
pub(super) fn footprint_bytes() -> Option<u64> {
    let pid = c_int::try_from(std::process::id()).ok()?;
    let mut usage = [0u64; USAGE_WORDS];
    // SAFETY: the buffer has the size of this flavor's structure, which is made of these words.
    let result = unsafe { proc_pid_rusage(pid, USAGE_FLAVOR, usage.as_mut_ptr().cast()) };
    (result == 0).then_some(usage[FOOTPRINT_WORD])
}
