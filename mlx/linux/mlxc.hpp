// Included before every source of mlx-c on Linux x86-64. Test builds only.
#pragma once
// 1. Compilers older than GCC 13 have no <format>; mlx-c uses std::format with bare "{}" for texts of errors.
#if __has_include(<format>)
#include <format>
#endif
#if !defined(__cpp_lib_format)
#include <sstream>
#include <string>
#include <string_view>
namespace std {
template <class... Arguments>
inline string format(string_view text, const Arguments&... arguments) {
  ostringstream out;
  auto put = [&](const auto& argument) {
    auto place = text.find("{}");
    if (place == string_view::npos) return;
    out << text.substr(0, place) << argument;
    text.remove_prefix(place + 2);
  };
  (put(arguments), ...);
  out << text;
  return out.str();
}
} // namespace std
#endif
// 2. mlx-c gives access to half precision on ARM only; the Rust library needs it everywhere.
#if !defined(__aarch64__)
#include "mlx/types/half_types.h"
using mlx::core::bfloat16_t;
using mlx::core::float16_t;
#define HAS_FLOAT16
#define HAS_BFLOAT16
#endif
