// corpus.h: the micro-kernels of tests/golden/gpu, run on any device behind the driver's interface.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "runtime/cuda/driver_api.h"
#include "runtime/safetensors.h"

namespace tenon::corpus {

/// One parameter of a kernel, as the `//!` line above its entry says it.
struct Argument {
  enum Kind { kInput, kOutput, kTensorMap } kind = kInput;
  std::string tensor;               ///< of the inputs file, or the output's name
  int64_t bytes = 0;                ///< of an output
  std::string type, swizzle, fill;  ///< of kTensorMap
  std::vector<int64_t> dims, box;   ///< innermost first
};

struct Case {
  std::string name;
  int grid = 1, block = 32, cluster = 1, shared = 0;
  std::vector<Argument> arguments;
  std::string compare;  ///< how an output is judged: generate.py says
};

/// A module of micro-kernels and the bytes that they read.
struct Group {
  std::string name, ptx;
  std::vector<Case> cases;
  FileTensors inputs;
};

using Bytes = std::vector<std::byte>;
/// "KERNEL.OUTPUT" to its bytes.
using Outputs = std::map<std::string, Bytes>;

std::vector<std::string> group_names();
/// Reads GROUP.ptx and GROUP.inputs.safetensors. Throws Error.
Group read_group(const std::string& folder, const std::string& name);
/// Runs every case on the current context of `api`. Throws Error, with the case's name, where the driver fails.
Outputs run_group(const cuda::DriverApi& api, const Group& group);
/// Only one case, of a loaded module.
Outputs run_case(const cuda::DriverApi& api, cuda::Module module, const Group& group, const Case& c);

void write_outputs(const std::string& folder, const Group& group, const Outputs& outputs);
/// Empty where nothing was recorded.
Outputs read_outputs(const std::string& folder, const Group& group);

/// Where the device's bytes are not what the card gave: "" or the first difference, in words.
std::string difference(const std::string& compare, const Bytes& device, const Bytes& card);

}  // namespace tenon::corpus
