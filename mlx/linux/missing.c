/* What MLX's Rust library and its Linux wheel leave open on Linux; linked into libmlxc.so. Test builds only. */
#include <stdint.h>
#include <time.h>

/* A call of Darwin, with which the library seeds its random numbers. */
uint64_t mach_approximate_time(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The wheel brings the reference BLAS, which is some twenty times slower than OpenBLAS. This library precedes it
   where symbols are looked up, so these three take its place. */
#define ARGUMENTS(T, S)                                                                       \
  int order, int ta, int tb, int m, int n, int k, S alpha, const T *a, int lda, const T *b,   \
      int ldb, S beta, T *c, int ldc
#define FORWARD(X, T, S)                                                                      \
  void scipy_cblas_##X##gemm(ARGUMENTS(T, S));                                                \
  void cblas_##X##gemm(ARGUMENTS(T, S)) {                                                     \
    scipy_cblas_##X##gemm(order, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);       \
  }
FORWARD(s, float, float)
FORWARD(d, double, double)
FORWARD(c, void, const void *)
