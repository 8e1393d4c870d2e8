// philox.h: random numbers as a function of a counter: the same on every device, in any order.
#pragma once
#include <cstdint>

namespace tenon {

/// The first word of Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3")
/// under key `seed` at counter (row, position, 0).
constexpr uint32_t philox(uint64_t seed, uint32_t row, uint64_t position) {
  uint32_t c[4] = {row, static_cast<uint32_t>(position), static_cast<uint32_t>(position >> 32), 0};
  uint32_t key[2] = {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53} * c[0], b = uint64_t{0xCD9E8D57} * c[2];
    const uint32_t mixed0 = static_cast<uint32_t>(b >> 32) ^ c[1] ^ key[0];
    const uint32_t mixed2 = static_cast<uint32_t>(a >> 32) ^ c[3] ^ key[1];
    c[0] = mixed0, c[1] = static_cast<uint32_t>(b), c[2] = mixed2, c[3] = static_cast<uint32_t>(a);
    key[0] += 0x9E3779B9, key[1] += 0xBB67AE85;
  }
  return c[0];
}

/// In [0, 1), a multiple of 2^-24.
constexpr float uniform(uint64_t seed, uint32_t row, uint64_t position) {
  return static_cast<float>(philox(seed, row, position) >> 8) * 0x1p-24f;
}

}  // namespace tenon
