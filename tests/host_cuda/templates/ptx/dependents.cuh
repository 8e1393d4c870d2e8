// Host versions of templates/ptx/dependents.cuh: kernels run one after the other.
#pragma once

namespace tenon::ptx {

inline void launch_dependents() {}
inline void wait_for_predecessors() {}

}  // namespace tenon::ptx
