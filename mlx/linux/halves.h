/* What bindgen sees in place of the half types that only ARM's compilers know; see mlxc.hpp. */
typedef struct float16_bits float16_t; /* becomes a Rust type of its own by a raw line */
typedef unsigned short bfloat16_t;
#define HAS_FLOAT16
#define HAS_BFLOAT16
