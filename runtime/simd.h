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
#ifndef TENON_SIMD
#define TENON_SIMD __attribute__((target_clones("arch=skylake-avx512", "arch=haswell", "default")))
#endif
#else
#define TENON_SIMD
#endif
