// ptx_kernel.h: a kernel from PTX text, run in a test on buffers of its own.
#pragma once
#include <doctest/doctest.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "runtime/emulator/machine/launch.h"
#include "runtime/emulator/ptx/parser.h"

namespace tenon::emulator {

/// A module with one kernel `k`: its parameters (".param .u64 out, .param .u32 n") and its body, which begins in line 6.
inline std::string kernel_text(const std::string& parameters, const std::string& body,
                               const std::string& target = "sm_90a") {
  return ".version 8.5\n.target " + target + "\n.address_size 64\n.entry k(" + parameters + ")\n{\n" + body +
         "\n}\n";
}

/// Findings' titles and messages, one a line: "" for a run that nothing was found in.
inline std::string told(const LaunchResult& result) {
  std::string text;
  for (const Finding& finding : result.findings)
    text += title(finding.kind).str() + ": " + finding.message + " (line " +
            std::to_string(finding.ptx_line) + ")\n";
  return text;
}

class PtxKernel {
 public:
  /// Module variables get memory, and their initial numbers.
  explicit PtxKernel(const std::string& text, const std::string& entry = "k") {
    auto module = std::make_shared<ptx::Module>(ptx::parse(text, "t.ptx"));
    VariableAddresses addresses;
    for (const ptx::Variable& variable : module->variables) addresses.push_back(place(variable));
    program = decode(module, entry, addresses);
    options.host_threads = 1;
  }

  template <class T>
  uint64_t input(const std::vector<T>& values, const std::string& name = "in") {
    const auto bytes = static_cast<int64_t>(values.size() * sizeof(T));
    const uint64_t address = memory.allocate(bytes, name);
    memory.write(address, {reinterpret_cast<const std::byte*>(values.data()), values.size() * sizeof(T)});
    return address;
  }
  uint64_t output(int64_t bytes, const std::string& name = "out") { return memory.allocate(bytes, name); }
  template <class T>
  std::vector<T> values(uint64_t address, size_t count) const {
    std::vector<T> values(count);
    memory.read(address, {reinterpret_cast<std::byte*>(values.data()), count * sizeof(T)});
    return values;
  }

  /// Runs the request's grid of blocks with these arguments, each as wide as its parameter.
  template <class... A>
  LaunchResult run(const A&... arguments) {
    REQUIRE(sizeof...(arguments) == program->parameters.size());
    request.program = program;
    request.parameters.assign(program->parameter_bytes, std::byte{0});
    size_t next = 0;
    (pass(program->parameters[next++], arguments), ...);
    return emulator::run(request, memory, options);
  }

  /// Runs with a buffer of zeros for each parameter of 8 bytes, and zeros for the others.
  LaunchResult run_on_buffers(int64_t bytes) {
    request.program = program;
    request.parameters.assign(program->parameter_bytes, std::byte{0});
    for (const Parameter& parameter : program->parameters) {
      if (parameter.bytes != 8) continue;
      const uint64_t address = memory.allocate(bytes, parameter.name);
      memory.fill(address, std::byte{0}, bytes);
      pass(parameter, address);
    }
    return emulator::run(request, memory, options);
  }

  std::shared_ptr<const Program> program;
  GlobalMemory memory;
  Options options;
  LaunchRequest request = one_warp();

 private:
  static LaunchRequest one_warp() {
    LaunchRequest request;
    request.block[0] = kLanes;
    return request;
  }
  template <class T>
  void pass(const Parameter& parameter, const T& argument) {
    REQUIRE(sizeof(T) == parameter.bytes);
    std::memcpy(request.parameters.data() + parameter.offset, &argument, sizeof(T));
  }
  uint64_t place(const ptx::Variable& variable) {
    if (variable.space == ptx::Space::kShared || variable.bytes == 0) return 0;
    const uint64_t address = memory.allocate(variable.bytes, variable.name);
    const int size = ptx::bytes(variable.type);
    memory.fill(address, std::byte{0}, variable.bytes);
    for (size_t i = 0; i < variable.initial.size(); ++i)
      memory.write(address + i * size, {reinterpret_cast<const std::byte*>(&variable.initial[i].bits),
                                        static_cast<size_t>(size)});
    return address;
  }
};

}  // namespace tenon::emulator
