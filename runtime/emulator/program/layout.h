// layout.h: where a kernel's parameters and variables lie in their spaces.
#pragma once
#include <cstdint>
#include <vector>

#include "runtime/emulator/program/call_graph.h"
#include "runtime/emulator/program/program.h"

namespace tenon::emulator {

/// Addresses in the variables' own spaces: 32-bit shared addresses, offsets in a thread's local memory (also of what
/// functions are given and return), offsets among a kernel's parameters, device addresses.
struct Layout {
  std::vector<std::vector<uint64_t>>
      of_function;                  ///< by index in CallGraph::functions, then of Function::variables
  std::vector<uint64_t> of_module;  ///< by index in Module::variables
};

/// Lays all out and fills the program's parameters and sizes. Shared variables that nothing mentions take no room.
/// Dynamic shared memory is aligned as its declaration demands (16 bytes at least, as hardware does) and, below 1024
/// bytes, no better, so that a kernel which forgets to align fails. Throws Error where a space overflows.
Layout lay_out(const ptx::Module& module, const CallGraph& graph, const VariableAddresses& addresses,
               Program& program);

}  // namespace tenon::emulator
