// Host version of templates/ptx/load_l2.cuh.
#pragma once

namespace tenon::ptx {

inline float load_l2(const float* p) { return *p; }
inline void load_l2(float (&r)[4], const void* p) {
  if (reinterpret_cast<unsigned long>(p) % 16)
    tenon_host->fail("load_l2: an address is not aligned to 16 bytes");
  for (int i = 0; i < 4; ++i) r[i] = static_cast<const float*>(p)[i];
}

}  // namespace tenon::ptx
