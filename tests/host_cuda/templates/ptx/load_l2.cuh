// Host version of templates/ptx/load_l2.cuh.
#pragma once

namespace tenon::ptx {

inline void load_l2(float (&r)[4], const void* p) {
  const float4 v = *static_cast<const float4*>(p);
  r[0] = v.x, r[1] = v.y, r[2] = v.z, r[3] = v.w;
}

}  // namespace tenon::ptx
