// simd.h: a loop compiled for AVX-512, AVX2 and plain x86-64; the machine's is picked when the program
// starts.
#pragma once

// Sanitizers start after the picking would run, so they get the plain loop.
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && \
    !defined(TENON_NO_CLONES)
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TENON_SIMD
#endif
#endif
// Picked by the instructions that the machine has, not by its model: "arch=haswell" would mean that model alone.
// clang 14 cannot pick a level such as x86-64-v3.
#if !defined(TENON_SIMD) && defined(__clang__)
#define TENON_SIMD __attribute__((target_clones("avx512f", "avx2", "default")))
#elif !defined(TENON_SIMD)
#define TENON_SIMD __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#endif
#else
#define TENON_SIMD
#endif

// Likewise with all that the function calls in its file; clang has clones or this, not both.
#if defined(__clang__)
#define TENON_SIMD_FLAT
#else
#define TENON_SIMD_FLAT TENON_SIMD __attribute__((flatten))
#endif
