// Host versions of templates/ptx/shared.cuh. There is no 32-bit shared address on a host: instructions take
// pointers.
#pragma once

namespace tenon::ptx {

inline unsigned char* dynamic_shared() { return tenon_host->dynamic_shared; }

}  // namespace tenon::ptx
