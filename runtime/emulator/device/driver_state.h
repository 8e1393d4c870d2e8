// driver_state.h: what the emulated driver's functions share: the current machine, the words of errors, streams.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "ir/diagnostics.h"
#include "runtime/cuda/driver_api.h"
#include "runtime/emulator/device/emulated_machine.h"

namespace tenon::emulator {

/// CUresult as cuda.h has it.
enum DriverError : cuda::DriverStatus {
  kSuccess = 0,
  kInvalidValue = 1,
  kOutOfMemory = 2,
  kInvalidDevice = 101,
  kInvalidContext = 201,
  kInvalidPtx = 218,
  kInvalidHandle = 400,
  kIllegalState = 401,
  kNotFound = 500,
  kCaptureInvalidated = 901,
};
/// "CUDA_ERROR_INVALID_VALUE"; null for a status that this driver does not give.
const char* name(cuda::DriverStatus status);

/// The calling thread's contexts, the current one last.
std::vector<EmulatedMachine*>& contexts();
/// Keeps `words` for cuGetErrorString and returns `status`.
cuda::DriverStatus fail(cuda::DriverStatus status, std::string words);
/// The words of the calling thread's last failure when that was `status`, else general ones.
const char* words(cuda::DriverStatus status);

/// Runs `body(machine)` for the current machine, which no other thread uses meanwhile. An Error becomes `status` with its
/// words.
template <class Body>
cuda::DriverStatus with_machine(cuda::DriverStatus status, const Body& body) {
  if (contexts().empty() || !contexts().back()) return fail(kInvalidContext, "no context is current");
  EmulatedMachine& machine = *contexts().back();
  const std::lock_guard lock(machine.mutex());
  try {
    return body(machine);
  } catch (const Error& error) {
    return fail(status, error.what());
  } catch (const std::bad_alloc&) {
    return fail(kOutOfMemory, "the host has no such memory");
  }
}

/// Something that a stream does, now or when its graph is launched. Throws Error.
using Work = std::function<void(EmulatedMachine&)>;
struct StreamObject {
  bool capturing = false;
  std::vector<Work> captured;
};
/// Does `work` now, or keeps it where the stream captures. The null stream never captures.
cuda::DriverStatus submit(cuda::Stream stream, Work work, cuda::DriverStatus status = kInvalidValue);

/// Fills the functions about modules, kernels and launches.
void fill_launch_functions(cuda::DriverApi& api);

}  // namespace tenon::emulator
