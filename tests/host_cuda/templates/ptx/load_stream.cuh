// Host version of templates/ptx/load_stream.cuh.
#pragma once

namespace tenon::ptx {

inline unsigned long long evict_first_policy() { return 0; }
inline void load_stream(unsigned (&r)[4], const void* p, unsigned long long) {
  if (reinterpret_cast<unsigned long>(p) % 16)
    tenon_host->fail("load_stream: an address is not aligned to 16 bytes");
  for (int i = 0; i < 4; ++i) r[i] = static_cast<const unsigned*>(p)[i];
}

}  // namespace tenon::ptx
