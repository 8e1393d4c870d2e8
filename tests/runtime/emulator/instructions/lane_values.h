// lane_values.h: what a few instructions leave in a register, by lane.
#pragma once
#include "tests/runtime/emulator/ptx_kernel.h"

namespace tenon::emulator {

/// A kernel `k(out)` that runs `body` and stores %v (32 bits) or %w (64 bits) by lane. The body may use %t, the lane.
inline std::string lane_kernel(const std::string& body, bool wide = false, const std::string& before = "",
                               const std::string& target = "sm_90a") {
  const std::string store = wide ? "mad.wide.u32 %a_, %t_, 8, %a_;\nst.global.u64 [%a_], %w;\nret;\n"
                                 : "mad.wide.u32 %a_, %t_, 4, %a_;\nst.global.u32 [%a_], %v;\nret;\n";
  return ".version 8.5\n.target " + target + "\n.address_size 64\n" + before +
         ".entry k(.param .u64 out)\n{\n.reg .b32 %t, %t_, %v;\n.reg .b64 %w, %a_;\n"
         "mov.u32 %t_, %laneid;\nmov.u32 %t, %t_;\nld.param.u64 %a_, [out];\ncvta.to.global.u64 %a_, %a_;\n" +
         body + store + "}\n";
}

/// Runs it with one warp; nothing may be found.
inline std::vector<uint32_t> lane_values(const std::string& body, const std::string& before = "") {
  PtxKernel kernel(lane_kernel(body, false, before));
  const uint64_t out = kernel.output(4 * kLanes);
  CHECK(told(kernel.run(out)) == "");
  return kernel.values<uint32_t>(out, kLanes);
}
inline std::vector<uint64_t> wide_lane_values(const std::string& body, const std::string& before = "") {
  PtxKernel kernel(lane_kernel(body, true, before));
  const uint64_t out = kernel.output(8 * kLanes);
  CHECK(told(kernel.run(out)) == "");
  return kernel.values<uint64_t>(out, kLanes);
}

/// What a function of the lane says for each of them.
template <class T, class F>
std::vector<T> by_lane(const F& value) {
  std::vector<T> values;
  for (int lane = 0; lane < kLanes; ++lane)
    values.push_back(static_cast<T>(value(static_cast<uint64_t>(lane))));
  return values;
}
template <class F>
std::vector<uint32_t> narrow(const F& value) {
  return by_lane<uint32_t>(value);
}
template <class F>
std::vector<uint64_t> wide(const F& value) {
  return by_lane<uint64_t>(value);
}

}  // namespace tenon::emulator
